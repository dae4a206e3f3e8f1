//! The model that a command measures.

use std::path::PathBuf;

/// A model to measure.
#[derive(Debug, Clone)]
pub struct CommandModel {
    /// Its path, for a device with this machine's files; other files may be beside it.
    pub path: Option<PathBuf>,
    /// Extension of its file name, which programs may depend on.
    pub ending: String,
    /// Its content, if there is no path.
    pub bytes: Vec<u8>,
}

impl CommandModel {
    /// The name of its copy.
    pub(super) fn file_name(&self) -> String {
        let plain = !self.ending.is_empty() && self.ending.chars().all(|c| c.is_ascii_alphanumeric());
        if plain { format!("model.{}", self.ending) } else { "model".to_owned() }
    }
}
