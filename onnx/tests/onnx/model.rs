//! Models put together by hand, for what we do not write.

#![allow(dead_code, reason = "each test program uses a part")]

use nasprof_graph::Graph;
use nasprof_onnx::{InputShapes, OnnxError, read, read_with};

use crate::message::Message;

/// A model under construction.
pub(crate) struct Model {
    graph: Message,
    version: i64,
}

impl Model {
    /// With an input `x`.
    pub(crate) fn new(dims: &[i64]) -> Self {
        Self { graph: Message::new().message(11, &input("x", dims, 1)), version: 17 }
    }

    pub(crate) fn version(self, version: i64) -> Self {
        Self { version, ..self }
    }

    pub(crate) fn node(self, op_type: &str, inputs: &[&str], output: &str, attributes: &[Message]) -> Self {
        let node = inputs.iter().fold(Message::new(), |m, input| m.bytes(1, input));
        let node = node.bytes(2, output).bytes(3, output).bytes(4, op_type);
        let node = attributes.iter().fold(node, |m, attribute| m.message(5, attribute));
        Self { graph: self.graph.message(1, &node), ..self }
    }

    pub(crate) fn tensor(self, tensor: &Message) -> Self {
        Self { graph: self.graph.message(5, tensor), ..self }
    }

    pub(crate) fn bytes(self, output: &str) -> Vec<u8> {
        let graph = self.graph.message(12, &input(output, &[], 1));
        let opset = Message::new().int(2, self.version);
        Message::new().int(1, 8).message(7, &graph).message(8, &opset).into_bytes()
    }

    pub(crate) fn read(self) -> Result<Graph, OnnxError> {
        read(&self.bytes("y"))
    }

    /// With shapes for its inputs.
    pub(crate) fn read_at(self, shapes: &[(&str, &[usize])]) -> Result<Graph, OnnxError> {
        let shapes: InputShapes = shapes.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec())).collect();
        read_with(&self.bytes("y"), &shapes)
    }

    /// Another input.
    pub(crate) fn input(self, name: &str, dims: &[i64]) -> Self {
        Self { graph: self.graph.message(11, &input(name, dims, 1)), ..self }
    }

    pub(crate) fn fails(self, naming: &str) {
        let error = self.read().unwrap_err().to_string();
        assert!(error.contains(naming), "no `{naming}` in: {error}");
    }
}

/// A size of 0 stands for one that is not fixed.
pub(crate) fn input(name: &str, dims: &[i64], data_type: i64) -> Message {
    let shape = dims.iter().fold(Message::new(), |m, &d| {
        let size = if d == 0 { Message::new().bytes(2, "width") } else { Message::new().int(1, d) };
        m.message(1, &size)
    });
    let tensor = Message::new().int(1, data_type).message(2, &shape);
    Message::new().bytes(1, name).message(2, &Message::new().message(1, &tensor))
}

/// A weight of 32-bit floats with values.
pub(crate) fn weight(name: &str, dims: &[i64]) -> Message {
    let elements: i64 = dims.iter().product();
    declared(name, dims, 1).bytes(9, vec![0; 4 * elements as usize])
}

/// A tensor without values.
pub(crate) fn declared(name: &str, dims: &[i64], data_type: i64) -> Message {
    dims.iter().fold(Message::new(), |m, &d| m.int(1, d)).int(2, data_type).bytes(8, name)
}

pub(crate) fn list(name: &str, values: &[i64]) -> Message {
    let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    declared(name, &[values.len() as i64], 7).bytes(9, raw)
}

/// A tensor of 32-bit floats with given values.
pub(crate) fn floats(name: &str, dims: &[i64], values: &[f32]) -> Message {
    let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    declared(name, dims, 1).bytes(9, raw)
}

pub(crate) fn int(name: &str, value: i64) -> Message {
    Message::new().bytes(1, name).int(3, value).int(20, 2)
}

pub(crate) fn ints(name: &str, values: &[i64]) -> Message {
    values.iter().fold(Message::new().bytes(1, name), |m, &v| m.int(8, v)).int(20, 7)
}

pub(crate) fn text(name: &str, value: &str) -> Message {
    Message::new().bytes(1, name).bytes(4, value).int(20, 3)
}

pub(crate) fn ops(graph: &Graph) -> Vec<&str> {
    graph.nodes().iter().map(|node| node.op.name()).collect()
}
