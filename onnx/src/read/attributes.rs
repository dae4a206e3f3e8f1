//! The attributes of one node. Each is taken once; what is left at the end is something that we would ignore.

use super::super::schema::attribute as schema;
use super::message::{MAX_VALUES, Tensor, parse_tensor};
use crate::protobuf::{WireError, fields};

#[derive(Debug, Default)]
struct Attribute<'a> {
    name: &'a str,
    float: Option<f32>,
    int: Option<i64>,
    text: Option<&'a [u8]>,
    tensor: Option<&'a [u8]>,
    ints: Vec<i64>,
    kind: Option<i64>,
}

/// What is left of a node's attributes.
#[derive(Debug)]
pub(super) struct Attributes<'a>(Vec<Attribute<'a>>);

impl<'a> Attributes<'a> {
    pub(super) fn parse(messages: &[&'a [u8]]) -> Result<Self, String> {
        if messages.len() > MAX_VALUES {
            return Err(format!("it has {} attributes", messages.len()));
        }
        let parsed: Result<Vec<_>, WireError> = messages.iter().map(|message| parse(message)).collect();
        parsed.map(Self).map_err(|e| format!("its attributes cannot be read: {e}"))
    }

    fn take(&mut self, name: &str) -> Option<Attribute<'a>> {
        let position = self.0.iter().position(|a| a.name == name)?;
        Some(self.0.remove(position))
    }

    fn typed<T>(
        &mut self,
        name: &str,
        kind: i64,
        value: impl Fn(Attribute<'a>) -> Option<T>,
    ) -> Result<Option<T>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(found) if found.kind.is_none_or(|k| k == kind) => {
                value(found).map(Some).ok_or_else(|| format!("attribute `{name}` has no value"))
            }
            Some(_) => Err(format!("attribute `{name}` is of another type than expected")),
        }
    }

    pub(super) fn int(&mut self, name: &str) -> Result<Option<i64>, String> {
        // The default of a number is not always written.
        self.typed(name, schema::TYPE_INT, |a| Some(a.int.unwrap_or(0)))
    }

    pub(super) fn float(&mut self, name: &str) -> Result<Option<f32>, String> {
        self.typed(name, schema::TYPE_FLOAT, |a| Some(a.float.unwrap_or(0.0)))
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<&'a str>, String> {
        self.typed(name, schema::TYPE_STRING, |a| std::str::from_utf8(a.text.unwrap_or_default()).ok())
    }

    pub(super) fn ints(&mut self, name: &str) -> Result<Option<Vec<i64>>, String> {
        self.typed(name, schema::TYPE_INTS, |a| Some(a.ints))
    }

    pub(super) fn tensor(&mut self, name: &str) -> Result<Option<Tensor<'a>>, String> {
        let Some(bytes) = self.typed(name, schema::TYPE_TENSOR, |a| a.tensor)? else { return Ok(None) };
        parse_tensor(bytes).map(Some).map_err(|e| format!("attribute `{name}`: {e}"))
    }

    /// A number that must be `wanted` if it is there.
    pub(super) fn expect(&mut self, name: &str, wanted: i64) -> Result<(), String> {
        match self.int(name)? {
            Some(value) if value != wanted => Err(format!("`{name}` {value} is not supported (only {wanted})")),
            _ => Ok(()),
        }
    }

    /// A text that must be one of `wanted`; the first is the default.
    pub(super) fn one_of<'w>(&mut self, name: &str, wanted: &[&'w str]) -> Result<&'w str, String> {
        let Some(value) = self.text(name)? else { return Ok(wanted[0]) };
        let known = wanted.iter().find(|known| **known == value);
        known.copied().ok_or_else(|| format!("`{name}` `{value}` is not supported (only {})", wanted.join(", ")))
    }

    /// Attributes that change neither the result nor its cost.
    pub(super) fn ignore(&mut self, names: &[&str]) {
        self.0.retain(|a| !names.contains(&a.name));
    }

    pub(super) fn finish(self) -> Result<(), String> {
        self.0.first().map_or(Ok(()), |a| Err(format!("attribute `{}` is not supported", a.name)))
    }
}

fn parse(message: &[u8]) -> Result<Attribute<'_>, WireError> {
    let mut parsed = Attribute::default();
    for field in fields(message) {
        let field = field?;
        match field.number {
            schema::NAME => parsed.name = field.text()?,
            schema::FLOAT => parsed.float = Some(field.float()?),
            schema::INT => parsed.int = Some(field.int()?),
            schema::STRING => parsed.text = Some(field.bytes()?),
            schema::TENSOR => parsed.tensor = Some(field.bytes()?),
            schema::INTS => field.append_ints(&mut parsed.ints, MAX_VALUES)?,
            schema::TYPE => parsed.kind = Some(field.int()?),
            _ => {}
        }
    }
    Ok(parsed)
}
