//! The file of a profile: JSON.

use std::path::Path;

use nasprof_base::replace_file;
use nasprof_profiler::model_profile::{ModelProfile, PROFILE_VERSION};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::check::check;
use crate::LutError;

/// What every profile has and no LUT.
#[derive(Deserialize)]
struct Mark {
    #[serde(rename = "kernels")]
    _kernels: IgnoredAny,
    #[serde(rename = "timed_sum_ms")]
    _timed_sum_ms: IgnoredAny,
}

/// Whether the bytes of a file that is not a LUT are the profile of a model, damaged or not.
pub(crate) fn is_profile(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Mark>(bytes).is_ok()
}

/// Reads a profile from the bytes of a file. The result has the current version, whatever the file's version is.
///
/// # Errors
/// What is wrong with it.
pub fn parse_model(bytes: &[u8]) -> Result<ModelProfile, String> {
    let mut profile: ModelProfile = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    match profile.format_version {
        1..=PROFILE_VERSION => profile.format_version = PROFILE_VERSION,
        version => {
            return Err(format!("format_version {version} is not known (this version reads 1 to {PROFILE_VERSION})"));
        }
    }
    check(&profile)?;
    Ok(profile)
}

/// Writes a profile; a file of that name is replaced in one step or left as it was. What is written can be read back.
///
/// # Errors
/// If it cannot be read back, or the disk fails.
pub fn write_model(profile: &ModelProfile, path: &Path) -> Result<(), LutError> {
    let unwritable = |problem: String| LutError::Unwritable { path: path.display().to_string(), problem };
    let mut bytes = serde_json::to_vec_pretty(profile).map_err(|e| unwritable(e.to_string()))?;
    bytes.push(b'\n');
    let back = parse_model(&bytes).map_err(|e| unwritable(format!("the profile could not be read back: {e}")))?;
    if back != *profile {
        return Err(unwritable("it would read back as a different profile".to_owned()));
    }
    replace_file(path, &bytes).map_err(|source| LutError::File { path: path.display().to_string(), source })
}
