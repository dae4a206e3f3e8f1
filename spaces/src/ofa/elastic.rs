//! Common parts of the once-for-all spaces: elastic sizes as choices, their checks, the classifier.

use std::collections::HashSet;

use nasprof_graph::{GraphBuilder, GraphError, NodeId, Op};

use super::super::error::SpaceError;

/// Most values an elastic dimension may have.
const MAX_VALUES: usize = 64;

/// A choice; with a single candidate, this candidate.
pub(super) fn choose(
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
pub(super) fn classifier(
    b: &mut GraphBuilder,
    x: NodeId,
    drop_rate: f64,
    classes: usize,
) -> Result<NodeId, GraphError> {
    let y = b.add("pool", Op::GlobalAvgPool, &[x])?;
    let y = b.add("flatten", Op::Flatten, &[y])?;
    let y = b.add("dropout", Op::Dropout { probability: drop_rate }, &[y])?;
    b.add("linear", Op::Linear { out_features: classes, bias: true }, &[y])
}

/// Refuses an elastic dimension without values, with too many or with a duplicate. Values are compared as text.
pub(super) fn check_values<T: ToString>(key: &'static str, values: &[T]) -> Result<(), SpaceError> {
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
pub(super) fn check_factor(key: &'static str, value: f64, most: f64) -> Result<(), SpaceError> {
    if value > 0.0 && value <= most {
        return Ok(());
    }
    Err(SpaceError::value(key, format!("{value} is not in (0, {most}]")))
}
