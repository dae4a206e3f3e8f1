//! Lists of networks to train.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use nasprof_base::suggest;
use nasprof_graph::Arch;
use nasprof_graph::arch::{ArchError, ArchFile};
use nasprof_spaces::Space;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Maximum size of a list in bytes: enough for some hundred thousand networks.
const MAX_BYTES: u64 = 1 << 28;

/// One network to train, from fresh weights.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// The network.
    pub arch: Arch,
    /// Seed of its weights and of the order of its images. The experiment's seed splits the images, so all networks learn
    /// from the same ones.
    pub seed: u64,
}

/// A list that cannot be used.
#[derive(Debug, Error)]
pub enum ListError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The list.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is not a network of the space.
    #[error("{}: line {line}: {problem}", path.display())]
    Line {
        /// The list.
        path: PathBuf,
        /// Line number, counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// No line has a network.
    #[error("{}: contains no networks", path.display())]
    Empty {
        /// The list.
        path: PathBuf,
    },
}

/// A line with an architecture and a seed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    arch: ArchFile,
    seed: u64,
}

/// Reads a list of networks. Each line is an architecture as printed by `nasprof space sample`, or `{"arch": …, "seed": …}`
/// to train with another seed than the experiment's.
///
/// # Errors
/// A file that cannot be read, a line that is not a network of the space, a network that is listed twice with the same seed,
/// an empty list.
pub fn read_list(path: &Path, space: &Space, seed: u64) -> Result<Vec<Trial>, ListError> {
    let fail = |source| ListError::File { path: path.to_owned(), source };
    // Before it is opened: a pipe that nobody writes to would be waited for.
    let metadata = fs::metadata(path).map_err(fail)?;
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return Err(fail(io::Error::other("not a regular file, or larger than 256 MiB")));
    }
    let file = File::open(path).map_err(fail)?;
    let (mut trials, mut lines) = (Vec::new(), HashMap::new());
    for (i, text) in BufReader::new(file.take(MAX_BYTES)).lines().enumerate() {
        let line = i + 1;
        let text = text.map_err(fail)?;
        if text.trim().is_empty() {
            continue;
        }
        let about = |problem| ListError::Line { path: path.to_owned(), line, problem };
        let trial = parse(&text, space, seed).map_err(about)?;
        if let Some(first) = lines.insert(trial.clone(), line) {
            return Err(about(format!("duplicate of line {first}: same network, same seed")));
        }
        trials.push(trial);
    }
    if trials.is_empty() { Err(ListError::Empty { path: path.to_owned() }) } else { Ok(trials) }
}

fn parse(text: &str, space: &Space, seed: u64) -> Result<Trial, String> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|e| suggest::explain(&e.to_string()))?;
    let (file, seed) = if value.get("arch").is_some() {
        let line: Line = serde_json::from_str(text).map_err(|e| suggest::explain(&e.to_string()))?;
        (line.arch, line.seed)
    } else {
        (ArchFile::parse(text).map_err(|e: ArchError| e.to_string())?, seed)
    };
    // Tables hold signed numbers of 64 bits.
    if i64::try_from(seed).is_err() {
        return Err(format!("the seed {seed} is too large, at most {} is possible", i64::MAX));
    }
    let arch = file.resolve(&space.name, &space.choices).map_err(|e| e.to_string())?;
    Ok(Trial { arch, seed })
}
