//! One line of a foreign table.

use nasprof_graph::LayerKey;

use super::error::ImportError;

/// Maximum lines of a table; no table of layers has more.
const MAX_ENTRIES: usize = 1_000_000;

/// A value in a table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    /// The layer, or why it is not one of nasprof's layers.
    pub(super) key: Result<LayerKey, String>,
    /// The number.
    pub(super) value: f64,
    /// Its text: the number of digits shows how it was rounded.
    pub(super) text: String,
}

impl Entry {
    pub(super) fn new(key: Result<LayerKey, String>, text: &str, place: &str) -> Result<Self, ImportError> {
        let text = text.trim();
        // An empty cell is a failed measurement, as `nan` is.
        let value = match text {
            "" => f64::NAN,
            _ => text.parse().map_err(|_| ImportError::Format(format!("{place}: `{text}` is not a number")))?,
        };
        Ok(Self { key, value, text: text.to_owned() })
    }

    /// Significant digits, trailing zeros left out.
    pub(super) fn digits(&self) -> usize {
        let mantissa = self.text.split(['e', 'E']).next().unwrap_or_default();
        let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        let digits = digits.trim_start_matches('0');
        if mantissa.contains('.') { digits.trim_end_matches('0').len() } else { digits.len() }
    }
}

/// Refuses a text that is too long for a table.
pub(super) fn bounded(entries: Vec<Entry>) -> Result<Vec<Entry>, ImportError> {
    if entries.len() > MAX_ENTRIES {
        return Err(ImportError::Format(format!("more than {MAX_ENTRIES} entries")));
    }
    if entries.is_empty() {
        return Err(ImportError::Format("the table is empty".to_owned()));
    }
    Ok(entries)
}
