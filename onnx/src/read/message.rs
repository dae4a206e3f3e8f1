//! The parts of an ONNX model that we read, taken apart without copying them and within bounds.

use super::super::error::OnnxError;
use super::super::schema::{FLOAT, FLOAT_BYTES, INT32, INT64, graph, model, node, opset, tensor, value};
use crate::protobuf::{Field, WireError, fields};

/// Most nodes, names, attributes, dimensions and tensors of a model together: no network comes near, and each takes us
/// more memory than a hostile file needs to claim it.
const MAX_PARTS: usize = 8_000_000;
/// Most values of a constant that is looked into: shapes, paddings, bounds.
pub(super) const MAX_VALUES: usize = 64;

/// A model.
#[derive(Debug, Default)]
pub(super) struct Model<'a> {
    pub(super) opset: Option<i64>,
    pub(super) nodes: Vec<RawNode<'a>>,
    pub(super) initializers: Vec<Tensor<'a>>,
    pub(super) inputs: Vec<Input<'a>>,
    pub(super) outputs: Vec<&'a str>,
}

/// One operator as it stands in the file.
#[derive(Debug, Default)]
pub(super) struct RawNode<'a> {
    pub(super) name: &'a str,
    pub(super) op_type: &'a str,
    pub(super) domain: &'a str,
    pub(super) inputs: Vec<&'a str>,
    pub(super) outputs: Vec<&'a str>,
    pub(super) attributes: Vec<&'a [u8]>,
}

/// Where data enters.
#[derive(Debug, Default)]
pub(super) struct Input<'a> {
    pub(super) name: &'a str,
    pub(super) data_type: i64,
    /// Sizes, or the names of those that are not fixed; `None` if there is no shape.
    pub(super) dims: Option<Vec<Result<i64, &'a str>>>,
}

/// A tensor; of its values only the first few are kept.
#[derive(Debug, Clone, Default)]
pub(super) struct Tensor<'a> {
    pub(super) name: &'a str,
    pub(super) dims: Vec<i64>,
    pub(super) data_type: i64,
    /// Whether its values are in another file.
    pub(super) external: bool,
    raw: Option<&'a [u8]>,
    floats: Vec<f32>,
    float_count: u64,
    ints: Vec<i64>,
}

impl Tensor<'_> {
    /// Number of elements, if that is a number.
    pub(super) fn elements(&self) -> Option<u64> {
        self.dims.iter().try_fold(1_u64, |product, &d| product.checked_mul(u64::try_from(d).ok()?))
    }

    /// Why it cannot be a tensor of 32-bit floats.
    pub(super) fn problem_as_floats(&self) -> Option<String> {
        let Some(elements) = self.elements() else { return Some(format!("has the shape {:?}", self.dims)) };
        let bytes = elements.checked_mul(FLOAT_BYTES);
        let stored = self.raw.map_or(Some(self.float_count.saturating_mul(FLOAT_BYTES)), |raw| Some(raw.len() as u64));
        if self.data_type != FLOAT {
            Some(format!("is of type {}, not of 32-bit floats", type_name(self.data_type)))
        } else if !self.external && stored != bytes {
            Some(format!("has values for another shape than {:?}", self.dims))
        } else {
            None
        }
    }

    /// A short list of integers.
    pub(super) fn ints(&self) -> Result<Vec<i64>, String> {
        let count = self.short()?;
        match (self.data_type, self.raw) {
            (INT64, None) | (INT32, None) if self.ints.len() == count => Ok(self.ints.clone()),
            (INT64, Some(raw)) if raw.len() == 8 * count => {
                Ok(raw.as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect())
            }
            (INT32, Some(raw)) if raw.len() == 4 * count => {
                Ok(raw.as_chunks().0.iter().map(|&bytes| i64::from(i32::from_le_bytes(bytes))).collect())
            }
            _ => Err("is no list of integers of its shape".to_owned()),
        }
    }

    /// One float.
    pub(super) fn float(&self) -> Result<f32, String> {
        match (self.short()?, self.data_type, self.raw, self.floats.as_slice()) {
            (1, FLOAT, Some(raw), _) => {
                raw.try_into().map(f32::from_le_bytes).map_err(|_| "is not one number".to_owned())
            }
            (1, FLOAT, None, [value]) => Ok(*value),
            _ => Err("is not one 32-bit float".to_owned()),
        }
    }

    fn short(&self) -> Result<usize, String> {
        if self.external {
            return Err("is stored outside of the model's file".to_owned());
        }
        let few = self.elements().and_then(|n| usize::try_from(n).ok()).filter(|&n| n <= MAX_VALUES);
        few.ok_or_else(|| format!("has the shape {:?}, too large here", self.dims))
    }
}

/// Name of a data type, as ONNX's documentation has it.
pub(super) fn type_name(number: i64) -> String {
    let names =
        ["undefined", "float", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool", "float16"];
    let known = usize::try_from(number).ok().and_then(|i| names.get(i));
    known.map_or_else(|| format!("number {number}"), |name| (*name).to_owned())
}

/// Counts what was read.
struct Budget(usize);

impl Budget {
    fn spend(&mut self) -> Result<(), OnnxError> {
        self.0 = self.0.checked_sub(1).ok_or(OnnxError::TooManyParts(MAX_PARTS))?;
        Ok(())
    }

    /// The fields of a message, each spent for.
    fn each<'a>(
        &mut self,
        message: &'a [u8],
        mut visit: impl FnMut(&mut Self, Field<'a>) -> Result<(), OnnxError>,
    ) -> Result<(), OnnxError> {
        for field in fields(message) {
            self.spend()?;
            visit(self, field?)?;
        }
        Ok(())
    }
}

/// Takes a model apart.
pub(super) fn parse(bytes: &[u8]) -> Result<Model<'_>, OnnxError> {
    let mut parsed = Model::default();
    let mut graphs = 0;
    Budget(MAX_PARTS).each(bytes, |budget, field| {
        match field.number {
            model::GRAPH => {
                graphs += 1;
                parse_graph(budget, field.bytes()?, &mut parsed)?;
            }
            model::OPSET_IMPORT => {
                let (mut domain, mut version) = ("", 0);
                budget.each(field.bytes()?, |_, field| {
                    match field.number {
                        opset::DOMAIN => domain = field.text()?,
                        opset::VERSION => version = field.int()?,
                        _ => {}
                    }
                    Ok(())
                })?;
                if is_default_domain(domain) {
                    parsed.opset = Some(version);
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    if graphs == 1 { Ok(parsed) } else { Err(OnnxError::Model(format!("it holds {graphs} graphs instead of one"))) }
}

/// ONNX's own operators.
pub(super) fn is_default_domain(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

fn parse_graph<'a>(budget: &mut Budget, bytes: &'a [u8], parsed: &mut Model<'a>) -> Result<(), OnnxError> {
    budget.each(bytes, |budget, field| {
        match field.number {
            graph::NODE => parsed.nodes.push(parse_node(budget, field.bytes()?)?),
            graph::INITIALIZER => parsed.initializers.push(parse_tensor(field.bytes()?)?),
            graph::INPUT => parsed.inputs.push(parse_input(budget, field.bytes()?)?),
            graph::OUTPUT => parsed.outputs.push(parse_input(budget, field.bytes()?)?.name),
            graph::SPARSE_INITIALIZER => return Err(OnnxError::Model("it holds sparse tensors".to_owned())),
            _ => {}
        }
        Ok(())
    })
}

fn parse_node<'a>(budget: &mut Budget, bytes: &'a [u8]) -> Result<RawNode<'a>, OnnxError> {
    let mut parsed = RawNode::default();
    budget.each(bytes, |_, field| {
        match field.number {
            node::INPUT => parsed.inputs.push(field.text()?),
            node::OUTPUT => parsed.outputs.push(field.text()?),
            node::NAME => parsed.name = field.text()?,
            node::OP_TYPE => parsed.op_type = field.text()?,
            node::DOMAIN => parsed.domain = field.text()?,
            node::ATTRIBUTE => parsed.attributes.push(field.bytes()?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(parsed)
}

fn parse_input<'a>(budget: &mut Budget, bytes: &'a [u8]) -> Result<Input<'a>, OnnxError> {
    let mut parsed = Input::default();
    budget.each(bytes, |budget, field| {
        match field.number {
            value::NAME => parsed.name = field.text()?,
            value::TYPE => budget.each(field.bytes()?, |budget, field| {
                if field.number != value::TENSOR_TYPE {
                    return Ok(());
                }
                budget.each(field.bytes()?, |budget, field| {
                    match field.number {
                        value::ELEMENT_TYPE => parsed.data_type = field.int()?,
                        value::SHAPE => {
                            let dims = parsed.dims.insert(Vec::new());
                            budget.each(field.bytes()?, |_, field| {
                                dims.push(parse_dimension(field.bytes()?)?);
                                Ok(())
                            })?;
                        }
                        _ => {}
                    }
                    Ok(())
                })
            })?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(parsed)
}

fn parse_dimension(bytes: &[u8]) -> Result<Result<i64, &str>, WireError> {
    let mut size = Err("");
    for field in fields(bytes) {
        let field = field?;
        match field.number {
            value::SIZE => size = Ok(field.int()?),
            value::SIZE_NAME => size = Err(field.text()?),
            _ => {}
        }
    }
    Ok(size)
}

/// A tensor, of a constant or of weights.
pub(super) fn parse_tensor(bytes: &[u8]) -> Result<Tensor<'_>, OnnxError> {
    let mut parsed = Tensor::default();
    for field in fields(bytes) {
        let field = field?;
        match field.number {
            tensor::DIMS => field.append_ints(&mut parsed.dims, MAX_VALUES)?,
            tensor::DATA_TYPE => parsed.data_type = field.int()?,
            tensor::NAME => parsed.name = field.text()?,
            tensor::RAW_DATA => parsed.raw = Some(field.bytes()?),
            tensor::FLOAT_DATA => {
                for value in field.floats()? {
                    parsed.float_count += 1;
                    if parsed.floats.len() < MAX_VALUES {
                        parsed.floats.push(value);
                    }
                }
            }
            tensor::INT32_DATA | tensor::INT64_DATA => field.append_ints(&mut parsed.ints, MAX_VALUES)?,
            tensor::DATA_LOCATION => parsed.external = field.int()? == tensor::EXTERNAL,
            _ => {}
        }
    }
    Ok(parsed)
}
