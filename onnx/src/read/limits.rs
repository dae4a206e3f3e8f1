//! Limits on the size of a model, checked before decoding: two bytes of a file can claim a hundred bytes of memory, and
//! one byte of packed numbers eight.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::super::error::OnnxError;
use super::super::schema::SPARSE_INITIALIZER;

/// Most nodes, names, attributes, dimensions and tensors of a model together: no network comes near, and each takes
/// more memory than a hostile file needs bytes to claim it.
const MAX_PARTS: usize = 8_000_000;
/// Most messages within messages; a graph in a branch of another one takes three.
const MAX_DEPTH: usize = 48;
/// Most values of a constant whose values matter: shapes, paddings, bounds.
pub(super) const MAX_VALUES: usize = 64;

/// The decoded parts of a message: the messages in it, and its lists of integers, each by field number.
struct Message {
    inside: &'static [(u32, &'static Self)],
    lists: &'static [u32],
}

const LEAF: &Message = &Message { inside: &[], lists: &[] };
const TENSOR: &Message = &Message { inside: &[], lists: &[1, 5, 7] };
/// A branch of a node is again a graph, so these refer to each other.
static ATTRIBUTE: Message = Message { inside: &[(5, TENSOR), (6, &GRAPH)], lists: &[8] };
static NODE: Message = Message { inside: &[(5, &ATTRIBUTE)], lists: &[] };
const SHAPE: &Message = &Message { inside: &[(1, LEAF)], lists: &[] };
const TENSOR_TYPE: &Message = &Message { inside: &[(2, SHAPE)], lists: &[] };
const TYPE: &Message = &Message { inside: &[(1, TENSOR_TYPE)], lists: &[] };
const VALUE_INFO: &Message = &Message { inside: &[(2, TYPE)], lists: &[] };
static GRAPH: Message = Message {
    inside: &[
        (1, &NODE),
        (5, TENSOR),
        (11, VALUE_INFO),
        (12, VALUE_INFO),
        (13, VALUE_INFO),
        (SPARSE_INITIALIZER, LEAF),
    ],
    lists: &[],
};
static MODEL: Message = Message { inside: &[(GRAPH_NUMBER, &GRAPH), (8, LEAF), (14, LEAF)], lists: &[] };
const GRAPH_NUMBER: u32 = 7;

/// Refuses a model that is too large to decode, does not have exactly one graph, or has sparse tensors.
pub(super) fn check(model: &[u8]) -> Result<(), OnnxError> {
    let mut counted = Counted { left: MAX_PARTS, graphs: 0, sparse: 0 };
    counted.message(model, &MODEL, 0)?;
    match counted {
        Counted { sparse: 1.., .. } => Err(OnnxError::Model("it holds sparse tensors".to_owned())),
        Counted { graphs: 1, .. } => Ok(()),
        // The decoder would merge several graphs into one.
        Counted { graphs, .. } => Err(OnnxError::Model(format!("it holds {graphs} graphs instead of one"))),
    }
}

struct Counted {
    left: usize,
    graphs: usize,
    sparse: usize,
}

impl Counted {
    fn message(&mut self, mut rest: &[u8], message: &'static Message, depth: usize) -> Result<(), OnnxError> {
        if depth > MAX_DEPTH {
            return Err(OnnxError::Model("its graphs are nested too deeply".to_owned()));
        }
        let mut values = [0; 3];
        while !rest.is_empty() {
            self.left = self.left.checked_sub(1).ok_or(OnnxError::TooManyParts(MAX_PARTS))?;
            let (number, kind) = decode_key(&mut rest)?;
            let list = message.lists.iter().position(|list| *list == number);
            let found = match kind {
                WireType::LengthDelimited => {
                    let length = decode_varint(&mut rest)?;
                    let length = usize::try_from(length).map_err(|_| OnnxError::Truncated)?;
                    let (field, after) = rest.split_at_checked(length).ok_or(OnnxError::Truncated)?;
                    rest = after;
                    self.field(number, field, message, depth)?;
                    // A number ends with a byte below 128.
                    if list.is_some() { field.iter().filter(|byte| **byte < 0x80).count() } else { 0 }
                }
                kind => {
                    skip_field(kind, number, &mut rest, DecodeContext::default())?;
                    1
                }
            };
            if let Some(list) = list {
                values[list] += found;
                if values[list] > MAX_VALUES {
                    return Err(OnnxError::Model(format!("a list has more than {MAX_VALUES} integers")));
                }
            }
        }
        Ok(())
    }

    fn field(&mut self, number: u32, bytes: &[u8], message: &'static Message, depth: usize) -> Result<(), OnnxError> {
        let Some((_, inside)) = message.inside.iter().find(|(known, _)| *known == number) else { return Ok(()) };
        self.graphs += usize::from(std::ptr::eq(message, &MODEL) && number == GRAPH_NUMBER);
        self.sparse += usize::from(std::ptr::eq(message, &GRAPH) && number == SPARSE_INITIALIZER);
        self.message(bytes, inside, depth + 1)
    }
}
