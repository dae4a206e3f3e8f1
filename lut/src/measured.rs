//! A file that may be a LUT or the profile of a model, for commands that show, compare and report both.

use std::path::Path;

use nasprof_profiler::model_profile::ModelProfile;

use crate::model::{model_of, parse_model};
use crate::store::{Content, read_any};
use crate::{Lut, LutError};

/// The contents of a measured file.
#[derive(Debug, Clone, PartialEq)]
pub enum Measured {
    /// Layers of a space or of a model, from which networks are estimated.
    Lut(Box<Lut>),
    /// The kernels of one model.
    Model(Box<ModelProfile>),
}

/// Reads a LUT or a profile. An imported profile is stored as a LUT, but is read as a profile.
///
/// # Errors
/// If the file is neither, or cannot be used.
pub fn read_measured(path: &Path) -> Result<Measured, LutError> {
    match read_any(path)? {
        Content::Lut(lut) => Ok(match model_of(&lut) {
            Some(model) => Measured::Model(Box::new(model)),
            None => Measured::Lut(lut),
        }),
        Content::Model(bytes) => parse_model(&bytes)
            .map(|model| Measured::Model(Box::new(model)))
            .map_err(|problem| LutError::Format { path: path.display().to_string(), problem }),
    }
}
