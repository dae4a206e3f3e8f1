//! Reads the nodes of a model that ONNX Runtime has optimised: its fusions and layouts.

use prost::Message;

use super::error::OnnxError;
use super::schema::ModelProto;

/// A node of an optimised model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OptimizedNode {
    /// Its name, as in profiles.
    pub name: String,
    /// Its operator.
    pub operator: String,
    /// Domain of its operator; empty for ONNX's own.
    pub domain: String,
    /// Values it reads; an empty name is an absent operand.
    pub inputs: Vec<String>,
    /// Values it computes.
    pub outputs: Vec<String>,
    /// Its text attributes: name and value.
    pub texts: Vec<(String, String)>,
    /// Its integer attributes: name and values.
    pub numbers: Vec<(String, Vec<i64>)>,
}

impl OptimizedNode {
    /// A text attribute.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether it works on blocks of channels.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.domain == "com.microsoft.nchwc"
    }
}

/// An optimised model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OptimizedModel {
    /// Its nodes, operands before users.
    pub nodes: Vec<OptimizedNode>,
    /// Names and shapes of its stored tensors.
    pub stored: Vec<(String, Vec<i64>)>,
}

/// Reads the nodes of an optimised model. Bodies of loops and branches are left out.
///
/// # Errors
/// If the bytes are not a model.
pub fn read_optimized(bytes: &[u8]) -> Result<OptimizedModel, OnnxError> {
    let model = ModelProto::decode(bytes)?;
    let graph = model.graph.ok_or_else(|| OnnxError::Model("it holds no graph".to_owned()))?;
    let stored = graph.initializer.into_iter().map(|tensor| (tensor.name, tensor.dims)).collect();
    let node = |node: super::schema::NodeProto| {
        let texts = node.attribute.iter().filter_map(|attribute| {
            Some((attribute.name.clone(), String::from_utf8_lossy(attribute.s.as_deref()?).into_owned()))
        });
        let numbers = node.attribute.iter().filter_map(|attribute| {
            let one = attribute.i.map(|one| vec![one]);
            let values = Some(attribute.ints.clone()).filter(|values| !values.is_empty()).or(one)?;
            Some((attribute.name.clone(), values))
        });
        OptimizedNode {
            texts: texts.collect(),
            numbers: numbers.collect(),
            name: node.name,
            operator: node.op_type,
            domain: node.domain,
            inputs: node.input,
            outputs: node.output,
        }
    };
    Ok(OptimizedModel { nodes: graph.node.into_iter().map(node).collect(), stored })
}
