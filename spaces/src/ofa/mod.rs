//! Once-for-all spaces (Cai et al. 2020): elastic kernel, depth, expansion and width as choices.
//!
//! Candidates share weights: all candidates of a block use the same parameters for each convolution and take the first
//! channels and the middle of the kernel. The matrices of [`KernelTransform`] are parameters of the space, not of the
//! graph.

mod mbv3;
mod resnet50;
mod transform;
mod xception;

use std::collections::HashSet;

use nasprof_graph::{GraphBuilder, GraphError, NodeId, Op};

use super::SpaceError;

pub use mbv3::OfaMbv3Spec;
pub use resnet50::OfaResnet50Spec;
pub use transform::KernelTransform;
pub use xception::OfaXceptionSpec;

/// Most values an elastic dimension may have.
const MAX_VALUES: usize = 64;

/// A choice, or its only candidate.
fn choose(
    b: &mut GraphBuilder,
    name: &str,
    choice: String,
    built: Vec<(String, NodeId)>,
) -> Result<NodeId, GraphError> {
    match built[..] {
        [(_, only)] => Ok(only),
        _ => b.choice_named(name, choice, built),
    }
}

/// Mean over the map, dropout, linear layer.
fn classifier(b: &mut GraphBuilder, x: NodeId, drop_rate: f64, classes: usize) -> Result<NodeId, GraphError> {
    let y = b.add("pool", Op::GlobalAvgPool, &[x])?;
    let y = b.add("flatten", Op::Flatten, &[y])?;
    let y = b.add("dropout", Op::Dropout { probability: drop_rate }, &[y])?;
    b.add("linear", Op::Linear { out_features: classes, bias: true }, &[y])
}

/// Refuses an elastic dimension without values, with too many or with one twice. Values are compared as they are written.
fn check_values<T: ToString>(key: &'static str, values: &[T]) -> Result<(), SpaceError> {
    if values.is_empty() {
        return Err(SpaceError::value(key, "the list is empty"));
    }
    if values.len() > MAX_VALUES {
        return Err(SpaceError::value(key, format!("more than {MAX_VALUES}")));
    }
    let mut seen = HashSet::new();
    match values.iter().map(ToString::to_string).find(|v| !seen.insert(v.clone())) {
        Some(twice) => Err(SpaceError::value(key, format!("`{twice}` is listed twice"))),
        None => Ok(()),
    }
}

/// Refuses a factor on channels that is not in (0, `most`].
fn check_factor(key: &'static str, value: f64, most: f64) -> Result<(), SpaceError> {
    if value > 0.0 && value <= most {
        return Ok(());
    }
    Err(SpaceError::value(key, format!("{value} is not in (0, {most}]")))
}
