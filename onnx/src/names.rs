//! The names of a model's nodes and values, even if its operators are unsupported.

use std::collections::BTreeSet;

use prost::Message;

use super::error::OnnxError;
use super::schema::{EXTERNAL, ModelProto};

/// Names of a model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelNames {
    /// Nodes and values. Bodies of loops and branches are left out.
    pub all: BTreeSet<String>,
    /// Whether every node has a name: runtimes make up names for the others.
    pub is_complete: bool,
    /// Whether weights are stored in other files.
    pub is_external: bool,
}

/// Reads the names of a model.
///
/// # Errors
/// If the bytes are not a model.
pub fn read_names(bytes: &[u8]) -> Result<ModelNames, OnnxError> {
    let model = ModelProto::decode(bytes)?;
    let graph = model.graph.ok_or_else(|| OnnxError::Model("it holds no graph".to_owned()))?;
    let is_complete = graph.node.iter().all(|node| !node.name.is_empty());
    let is_external = graph.initializer.iter().any(|tensor| tensor.data_location == EXTERNAL);
    let nodes = graph.node.into_iter().flat_map(|node| node.output.into_iter().chain(node.input).chain([node.name]));
    Ok(ModelNames { all: nodes.filter(|name| !name.is_empty()).collect(), is_complete, is_external })
}

impl ModelNames {
    /// Whether the names of a profile can come from this model: at least one name of the kind that runtimes take from
    /// models is one of this model's. The name of a fused layer contains the names of its parts, with other words between
    /// them.
    #[must_use]
    pub fn fit<'a>(&self, profile: impl IntoIterator<Item = &'a str>) -> bool {
        let mut telling = profile.into_iter().flat_map(tokens).filter(|token| is_telling(token)).peekable();
        !self.is_complete || telling.peek().is_none() || telling.any(|token| self.all.contains(token))
    }
}

/// The whole name, and the parts from which it is composed.
fn tokens(name: &str) -> impl Iterator<Item = &str> {
    let parts = name.split([' ', '+', '|', '(', ')', '[', ']', '{', '}', ',', '\'', '"']);
    let parts = parts.flat_map(|part| part.split("...")).flat_map(|part| {
        // Suffixes that ONNX Runtime appends to a changed node, and TensorFlow Lite to an output.
        [part, part.split("_token_").next().unwrap_or(part), part.strip_suffix("_nchwc").unwrap_or(part)]
    });
    std::iter::once(name).chain(parts)
}

/// Whether a word identifies a node: the name of an operator does not, because every model may have it.
fn is_telling(token: &str) -> bool {
    let made_up = ["__my", "node_of_", "ReorderInput", "ReorderOutput", "Memcpy"];
    token.len() > 2
        && token.contains(|c: char| c.is_ascii_digit() || "/._:".contains(c))
        && token.contains(|c: char| c.is_ascii_alphabetic())
        && !made_up.iter().any(|word| token.starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(all: &[&str]) -> ModelNames {
        ModelNames { all: all.iter().map(|&name| name.to_owned()).collect(), is_complete: true, is_external: false }
    }

    #[test]
    fn a_profile_of_another_model_is_noticed() {
        let model = names(&["Conv_0", "Relu_1", "/classifier/Gemm", "conv1.weight"]);
        for own in [
            &["Conv_0 + Relu_1", "Reformatting CopyNode for Input Tensor 0 to Conv_0"][..],
            &["{ForeignNode[Conv_0.../classifier/Gemm]}"],
            &["PWN(PWN(Relu_1), x_9)"],
            &["Conv_0_token_7"],
            // These names identify no model.
            &["ReorderInput_token_3", "Conv"],
            &["__mye123", "__myl_MulAdd_myl0_3"],
            &[],
        ] {
            assert!(model.fit(own.iter().copied()), "{own:?}");
        }
        for other in [&["Conv_10 + Relu_11"][..], &["/layer1/conv/Conv", "/layer2/Relu"], &["Conv", "backbone.conv"]] {
            assert!(!model.fit(other.iter().copied()), "{other:?}");
            // The control: a model that leaves names to the runtime.
            assert!(ModelNames { is_complete: false, ..model.clone() }.fit(other.iter().copied()));
        }
    }
}
