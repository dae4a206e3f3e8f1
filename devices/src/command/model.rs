//! What a command is to measure.

use std::path::PathBuf;

/// A model to measure.
#[derive(Debug, Clone)]
pub struct CommandModel {
    /// Where it is, for a device that has this machine's files; other files may stand beside it.
    pub path: Option<PathBuf>,
    /// Ending of its file's name, which programs look at.
    pub ending: String,
    /// Its bytes, where there is no path.
    pub bytes: Vec<u8>,
}

impl CommandModel {
    /// What its file is called where it is copied to.
    pub(super) fn file_name(&self) -> String {
        let plain = !self.ending.is_empty() && self.ending.chars().all(|c| c.is_ascii_alphanumeric());
        if plain { format!("model.{}", self.ending) } else { "model".to_owned() }
    }
}
