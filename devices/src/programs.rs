//! Agent programs on this machine, by architecture.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use nasprof_profiler::backend::{self, AGENT_TORCH};

use crate::error::LinkError;

/// Where to find agent programs.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The folder of this program. It contains `nasprof-agent` and `nasprof-agent-torch` for this machine, and the same
    /// names with `-ARCHITECTURE` for boards of other architectures. Agents for boards that load ONNX Runtime have
    /// `-dynamic` before it.
    pub folder: PathBuf,
    /// A `nasprof-agent` for this machine's architecture that overrides the installed one.
    pub agent: Option<PathBuf>,
    /// The same for `nasprof-agent-torch`.
    pub agent_torch: Option<PathBuf>,
}

impl Programs {
    /// The agent for this machine that serves a back end.
    #[must_use]
    pub fn here(&self, backend: &str) -> PathBuf {
        let program = backend::program(backend);
        let given = if program == AGENT_TORCH { &self.agent_torch } else { &self.agent };
        given.clone().unwrap_or_else(|| self.folder.join(program))
    }

    /// The agent for a board that serves a back end.
    pub(crate) fn for_architecture(&self, backend: &str, architecture: &str) -> Result<PathBuf, LinkError> {
        let program = backend::program(backend);
        let named = |name: &str| self.folder.join(format!("{name}-{architecture}"));
        // A static program cannot load a library.
        let dynamic = backend::is_onnx_runtime(backend).then(|| named(&format!("{program}-dynamic")));
        let here = (architecture == std::env::consts::ARCH).then(|| self.here(backend));
        let plain = dynamic.is_none().then(|| named(program));
        let candidates: Vec<PathBuf> = here.into_iter().chain(dynamic).chain(plain).collect();
        candidates.iter().find(|path| path.is_file()).cloned().ok_or_else(|| LinkError::NoAgent {
            architecture: architecture.to_owned(),
            looked: candidates.iter().map(|c| c.display().to_string()).collect::<Vec<_>>().join(" or "),
        })
    }
}

/// The architecture name in Rust and in our file names, for a kernel's machine name. A 64-bit kernel may run a 32-bit
/// system.
pub(crate) fn architecture(machine: &str, bits: Option<u32>) -> String {
    let name = match (machine, bits) {
        ("x86_64" | "amd64", Some(32)) | ("i386" | "i586" | "i686", _) => "x86",
        ("x86_64" | "amd64", _) => "x86_64",
        ("aarch64" | "arm64" | "armv8l", Some(32)) | ("armv7l" | "armv8l", _) => "armv7",
        ("aarch64" | "arm64", _) => "aarch64",
        (other, _) => other,
    };
    name.to_owned()
}

/// Refuses a program or library for another architecture, because the board's own error message would not name the
/// architecture.
pub(crate) fn check_architecture(path: &Path, wanted: &str) -> Result<(), String> {
    let mut header = [0; 20];
    File::open(path).and_then(|mut file| file.read_exact(&mut header)).map_err(|e| e.to_string())?;
    if !header.starts_with(b"\x7fELF") {
        return Err("is not a Linux program or library".to_owned());
    }
    // Field `e_machine` of the ELF header, little-endian for all these architectures.
    let found = match u16::from_le_bytes([header[18], header[19]]) {
        3 => "x86",
        40 => "armv7",
        62 => "x86_64",
        183 => "aarch64",
        243 => "riscv64",
        _ => "another architecture",
    };
    if found == wanted { Ok(()) } else { Err(format!("is built for {found}, but the board is {wanted}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_names_are_understood() {
        for (machine, bits, expected) in [
            ("x86_64", Some(64), "x86_64"),
            ("aarch64", Some(64), "aarch64"),
            ("aarch64", Some(32), "armv7"),
            ("armv7l", None, "armv7"),
            ("riscv64", None, "riscv64"),
            ("mips", None, "mips"),
        ] {
            assert_eq!(architecture(machine, bits), expected);
        }
    }

    #[test]
    fn an_agent_of_another_architecture_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent");
        let mut elf = b"\x7fELF".to_vec();
        elf.extend([0; 14]);
        elf.extend(183u16.to_le_bytes());
        std::fs::write(&path, &elf).unwrap();
        check_architecture(&path, "aarch64").unwrap();
        assert!(check_architecture(&path, "x86_64").unwrap_err().contains("is built for aarch64"));
        for bad in [&b""[..], b"#!/bin/sh\nexit 0 # twenty bytes", b"\x7fELF"] {
            std::fs::write(&path, bad).unwrap();
            assert!(check_architecture(&path, "x86_64").is_err());
        }
    }

    #[test]
    fn each_agent_may_be_named() {
        let given = |name: &str| Some(PathBuf::from(name));
        let programs = Programs { folder: PathBuf::from("/none"), agent: given("/a"), agent_torch: given("/b") };
        assert_eq!(programs.here("synthetic:quiet"), Path::new("/a"));
        assert_eq!(programs.here("cuda:0"), Path::new("/b"));
        let installed = Programs { agent_torch: None, ..programs };
        assert_eq!(installed.here("torch"), Path::new("/none/nasprof-agent-torch"));
    }

    #[test]
    fn a_missing_agent_says_where_it_was_looked_for() {
        let programs = Programs { folder: PathBuf::from("/none"), agent: None, agent_torch: None };
        for (backend, expected) in [
            ("synthetic:quiet", "/none/nasprof-agent-riscv64"),
            ("torch", "/none/nasprof-agent-torch-riscv64"),
            ("onnxruntime:xnnpack", "/none/nasprof-agent-dynamic-riscv64"),
        ] {
            let error = programs.for_architecture(backend, "riscv64").unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
