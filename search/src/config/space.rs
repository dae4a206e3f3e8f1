//! The space of an experiment.

use std::path::Path;

use nasprof_spaces::{Space, SpaceError, SpaceSpec, builtin_names, builtin_text};

use super::ConfigError;

/// Builds a built-in space, or the space of a TOML file.
pub(super) fn build(name: &str) -> Result<(SpaceSpec, Space), ConfigError> {
    let is_file = name.ends_with(".toml") || name.contains('/');
    if !is_file || builtin_names().any(|known| known == name) {
        let spec = SpaceSpec::parse(builtin_text(name)?)?;
        let space = spec.build(name)?;
        return Ok((spec, space));
    }
    let text = std::fs::read_to_string(name).map_err(|e| ConfigError::key("space", format!("{name}: {e}")))?;
    let stem = Path::new(name).file_stem().map_or_else(|| name.to_owned(), |s| s.to_string_lossy().into_owned());
    let about = |e: SpaceError| ConfigError::key("space", format!("{name}: {e}"));
    let spec = SpaceSpec::parse(&text).map_err(about)?;
    let space = spec.build(&stem).map_err(about)?;
    Ok((spec, space))
}
