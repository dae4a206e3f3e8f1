//! One value of an answer.

use std::fmt::Write;

use nasprof_base::text::{is_printable, printable};
use polars::prelude::AnyValue;
use serde::{Serialize, Serializer};

/// A value, in the types that answers distinguish.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Null,
    Bool(bool),
    Whole(i128),
    Real(f64),
    Text(String),
}

impl Cell {
    pub(super) fn of(value: &AnyValue<'_>) -> Self {
        match value {
            AnyValue::Null => Self::Null,
            AnyValue::Boolean(value) => Self::Bool(*value),
            AnyValue::String(text) => Self::Text((*text).to_owned()),
            AnyValue::StringOwned(text) => Self::Text(text.to_string()),
            AnyValue::Float32(value) => Self::Real(f64::from(*value)),
            AnyValue::Float64(value) => Self::Real(*value),
            value if value.is_integer() => value.extract::<i128>().map_or(Self::Null, Self::Whole),
            other => Self::Text(other.to_string()),
        }
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::Whole(_) | Self::Real(_))
    }

    /// The value with all digits; empty if absent.
    pub(super) fn exact(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Bool(value) => value.to_string(),
            Self::Whole(value) => value.to_string(),
            Self::Real(value) => value.to_string(),
            Self::Text(text) => text.clone(),
        }
    }

    /// For people, on one line: fractions have six significant digits.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Null => "-".to_owned(),
            Self::Real(value) => significant(*value),
            Self::Text(text) => printable(text).replace(['\n', '\t'], " "),
            other => other.exact(),
        }
    }
}

fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let magnitude = value.abs().log10().floor();
    if !(-5.0..9.0).contains(&magnitude) {
        return format!("{value:.5e}");
    }
    let digits = (5.0 - magnitude).max(0.0) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Whole(value) => serializer.serialize_i128(*value),
            // JSON has no infinities.
            Self::Real(value) if !value.is_finite() => serializer.serialize_none(),
            Self::Real(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

/// Appends JSON, with control characters as `\u....`: they occur only in its texts.
pub(super) fn push_escaped(text: &mut String, json: &str) {
    for c in json.chars() {
        if is_printable(c) {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_see_six_digits_and_programs_all() {
        let shown = [0.0, 1.0, 0.123_456_789, 1_234.567_89, 123_456_789.0, 1e-7, 2.5e12, f64::NAN].map(significant);
        assert_eq!(shown, ["0", "1", "0.123457", "1234.57", "123456789", "1.00000e-7", "2.50000e12", "NaN"]);
        assert_eq!(Cell::Real(0.1 + 0.2).exact(), "0.30000000000000004");
        assert_eq!(serde_json::to_string(&Cell::Real(f64::INFINITY)).unwrap(), "null");
        assert_eq!(Cell::Text("a\u{1b}[31m\nhint: b".to_owned()).shown(), "a\u{fffd}[31m hint: b");
    }
}
