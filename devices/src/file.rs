//! Device files: TOML under `configs/devices` (built in) or in the user's configuration folder.

use std::fs;
use std::path::{Path, PathBuf};

use nasprof_graph::suggest;
use serde::Deserialize;
use thiserror::Error;

const BUILTIN: [(&str, &str); 1] = [("local", include_str!("../../configs/devices/local.toml"))];

/// How a device is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// A child process on this machine.
    Local,
}

/// A device as its file describes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceFile {
    /// Always 1.
    pub format_version: u32,
    /// How it is reached.
    pub transport: Transport,
    /// Back end of the agent there.
    pub backend: String,
    /// Threads unless the command line says otherwise.
    pub threads: usize,
    /// Cores to pin to, the first `threads` of them; empty: chosen by the program.
    #[serde(default)]
    pub cores: Vec<usize>,
}

/// A device that cannot be used.
#[derive(Debug, Error)]
pub enum DeviceError {
    /// No file of that name.
    #[error("no device `{name}`{}", suggest::did_you_mean(.nearest.as_deref()))]
    Unknown {
        /// The name asked for.
        name: String,
        /// The most similar known name.
        nearest: Option<String>,
    },
    /// A file that cannot be read or does not make sense.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
}

/// Names of the devices that ship with the program.
#[must_use]
pub fn builtin_names() -> Vec<&'static str> {
    BUILTIN.iter().map(|(name, _)| *name).collect()
}

/// Finds a device: `synthetic:NAME`, a file in the user's folder, or a built-in one.
///
/// # Errors
/// An unknown name, or a file that is wrong.
pub fn find(name: &str, user_folder: Option<&Path>) -> Result<DeviceFile, DeviceError> {
    if name.starts_with("synthetic:") {
        return Ok(DeviceFile {
            format_version: 1,
            transport: Transport::Local,
            backend: name.to_owned(),
            threads: 1,
            cores: Vec::new(),
        });
    }
    // A name, never a path: `../x` must not leave the folder.
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let path: Option<PathBuf> = user_folder.filter(|_| plain).map(|folder| folder.join(format!("{name}.toml")));
    if let Some(path) = path.filter(|p| p.is_file()) {
        let fail = |problem: String| DeviceError::File { path: path.display().to_string(), problem };
        let text = fs::read_to_string(&path).map_err(|e| fail(e.to_string()))?;
        return parse(&text).map_err(fail);
    }
    match BUILTIN.iter().find(|(known, _)| *known == name) {
        Some((_, text)) => parse(text).map_err(|problem| DeviceError::File { path: format!("{name}.toml"), problem }),
        None => Err(DeviceError::Unknown { name: name.to_owned(), nearest: suggest::nearest(name, builtin_names()) }),
    }
}

fn parse(text: &str) -> Result<DeviceFile, String> {
    let file: DeviceFile = toml::from_str(text).map_err(|e| suggest::explain_unknown_field(e.to_string().trim()))?;
    if file.format_version != 1 {
        return Err(format!("format_version {} is not known (this version reads 1)", file.format_version));
    }
    if file.threads == 0 || file.threads > 1024 {
        return Err(format!("threads = {} is not in 1..=1024", file.threads));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_files_are_right() {
        for name in builtin_names() {
            find(name, None).unwrap();
        }
    }

    #[test]
    fn unknown_names_and_keys_are_explained() {
        let error = find("lokal", None).unwrap_err().to_string();
        assert!(error.contains("did you mean `local`"), "{error}");
        let error = parse("format_version = 1\ntransport = \"local\"\nbackend = \"torch\"\nthread = 1").unwrap_err();
        assert!(error.contains("did you mean `threads`"), "{error}");
        assert!(parse("format_version = 1\ntransport = \"local\"\nbackend = \"torch\"\nthreads = 0").is_err());
        assert!(matches!(find("../local", Some(Path::new("/"))), Err(DeviceError::Unknown { .. })));
    }
}
