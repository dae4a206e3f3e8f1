//! The attributes of one node. Each attribute is taken once; attributes left over would be ignored and are therefore
//! refused.

use super::super::schema::{
    AttributeProto, GraphProto, TYPE_FLOAT, TYPE_FLOATS, TYPE_GRAPH, TYPE_INT, TYPE_INTS, TYPE_STRING, TYPE_STRINGS,
    TYPE_TENSOR,
};
use super::limits::MAX_VALUES;
use super::message::Tensor;

/// A node's attributes that were not taken yet.
#[derive(Debug)]
pub(super) struct Attributes<'a>(Vec<&'a AttributeProto>);

impl<'a> Attributes<'a> {
    pub(super) fn new(all: &'a [AttributeProto]) -> Result<Self, String> {
        if all.len() > MAX_VALUES {
            return Err(format!("it has {} attributes", all.len()));
        }
        Ok(Self(all.iter().collect()))
    }

    fn take(&mut self, name: &str) -> Option<&'a AttributeProto> {
        let position = self.0.iter().position(|a| a.name == name)?;
        Some(self.0.remove(position))
    }

    fn typed<T>(
        &mut self,
        name: &str,
        kind: i32,
        value: impl Fn(&'a AttributeProto) -> Option<T>,
    ) -> Result<Option<T>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(found) if found.kind.is_none_or(|k| k == kind) => {
                value(found).map(Some).ok_or_else(|| format!("attribute `{name}` has no value"))
            }
            Some(_) => Err(format!("attribute `{name}` has an unexpected type")),
        }
    }

    pub(super) fn int(&mut self, name: &str) -> Result<Option<i64>, String> {
        // Files may omit a number that has its default.
        self.typed(name, TYPE_INT, |a| Some(a.i.unwrap_or(0)))
    }

    pub(super) fn float(&mut self, name: &str) -> Result<Option<f32>, String> {
        self.typed(name, TYPE_FLOAT, |a| Some(a.f.unwrap_or(0.0)))
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<&'a str>, String> {
        self.typed(name, TYPE_STRING, |a| std::str::from_utf8(a.s.as_deref().unwrap_or_default()).ok())
    }

    pub(super) fn ints(&mut self, name: &str) -> Result<Option<Vec<i64>>, String> {
        self.typed(name, TYPE_INTS, |a| Some(a.ints.clone()))
    }

    pub(super) fn floats(&mut self, name: &str) -> Result<Option<Vec<f32>>, String> {
        self.typed(name, TYPE_FLOATS, |a| Some(a.floats.clone()))
    }

    pub(super) fn texts(&mut self, name: &str) -> Result<Option<Vec<&'a str>>, String> {
        self.typed(name, TYPE_STRINGS, |a| a.strings.iter().map(|text| std::str::from_utf8(text).ok()).collect())
    }

    pub(super) fn graph(&mut self, name: &str) -> Result<Option<&'a GraphProto>, String> {
        self.typed(name, TYPE_GRAPH, |a| a.g.as_deref())
    }

    pub(super) fn tensor(&mut self, name: &str) -> Result<Option<Tensor<'a>>, String> {
        Ok(self.typed(name, TYPE_TENSOR, |a| a.t.as_deref())?.map(Tensor::from))
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
        self.0.retain(|a| !names.contains(&a.name.as_str()));
    }

    pub(super) fn finish(self) -> Result<(), String> {
        self.0.first().map_or(Ok(()), |a| Err(format!("attribute `{}` is not supported", a.name)))
    }
}
