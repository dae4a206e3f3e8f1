//! Choices and architectures: one selected candidate for every choice.

use std::collections::BTreeMap;

use nasprof_base::suggest;
use rand::Rng;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A named choice with the names of its candidates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Name; unique in a space.
    pub name: String,
    /// Candidate names, in index order.
    pub candidates: Vec<String>,
}

/// One candidate index for every choice, in the order of [`Graph::choices`](crate::Graph::choices).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Arch(pub Vec<u16>);

impl Arch {
    /// Draws every choice independently and uniformly.
    pub fn sample(choices: &[Choice], rng: &mut impl Rng) -> Self {
        Self(choices.iter().map(|c| rng.random_range(0..c.candidates.len().max(1)) as u16).collect())
    }
}

/// An architecture in the form of its file: names instead of indices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchFile {
    /// Always 1.
    pub format_version: u32,
    /// Name of the space it belongs to.
    pub space: String,
    /// Choice name to candidate name.
    #[serde(deserialize_with = "nasprof_base::unique::names")]
    pub choices: BTreeMap<String, String>,
}

/// An architecture file that does not fit its space.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ArchError {
    /// Not the text of an architecture.
    #[error("{0}")]
    Syntax(String),
    /// The text ends in the middle of an architecture.
    #[error("unexpected end of the architecture: {0}")]
    Cut(String),
    /// Several architectures.
    #[error("expected one architecture, got a list")]
    List,
    /// Written by a later version.
    #[error("format_version {0} is not known (this version reads 1)")]
    Version(u32),
    /// For another space.
    #[error("the architecture is of space `{actual}`, not `{expected}`")]
    Space {
        /// The space in use.
        expected: String,
        /// The space in the file.
        actual: String,
    },
    /// A choice without a selection.
    #[error("choice `{0}` has no selection")]
    Missing(String),
    /// A choice that the space does not have.
    #[error("the space has no choice `{name}`{}", suggest::did_you_mean(.nearest.as_deref()))]
    UnknownChoice {
        /// Name in the file.
        name: String,
        /// The most similar known name.
        nearest: Option<String>,
    },
    /// A candidate that the choice does not have.
    #[error("choice `{choice}` has no candidate `{name}`{}", suggest::did_you_mean(.nearest.as_deref()))]
    UnknownCandidate {
        /// Name of the choice.
        choice: String,
        /// Candidate in the file.
        name: String,
        /// The most similar known name.
        nearest: Option<String>,
    },
}

impl ArchFile {
    /// Names for the indices of `arch`.
    #[must_use]
    pub fn new(space: &str, choices: &[Choice], arch: &Arch) -> Self {
        let selected = choices.iter().zip(&arch.0).filter_map(|(choice, &i)| {
            choice.candidates.get(usize::from(i)).map(|name| (choice.name.clone(), name.clone()))
        });
        Self { format_version: 1, space: space.to_owned(), choices: selected.collect() }
    }

    /// Reads the text of one architecture.
    ///
    /// # Errors
    /// If the text is no architecture, is cut off, or is a list of several.
    pub fn parse(text: &str) -> Result<Self, ArchError> {
        // serde takes a list of the fields' values for the fields.
        if text.trim_start().starts_with('[') {
            return Err(ArchError::List);
        }
        serde_json::from_str(text).map_err(|error| {
            let problem = suggest::explain(&error.to_string());
            if error.is_eof() { ArchError::Cut(problem) } else { ArchError::Syntax(problem) }
        })
    }

    /// Indices for the names, checked against the space.
    ///
    /// # Errors
    /// A missing, unknown or mistyped choice or candidate, or the wrong space.
    pub fn resolve(&self, space: &str, choices: &[Choice]) -> Result<Arch, ArchError> {
        if self.format_version != 1 {
            return Err(ArchError::Version(self.format_version));
        }
        if self.space != space {
            return Err(ArchError::Space { expected: space.to_owned(), actual: self.space.clone() });
        }
        if let Some(name) = self.choices.keys().find(|name| !choices.iter().any(|c| c.name == **name)) {
            let nearest = suggest::nearest(name, choices.iter().map(|c| c.name.as_str()));
            return Err(ArchError::UnknownChoice { name: name.clone(), nearest });
        }
        choices
            .iter()
            .map(|choice| {
                let name = self.choices.get(&choice.name).ok_or_else(|| ArchError::Missing(choice.name.clone()))?;
                choice.candidates.iter().position(|c| c == name).map(|i| i as u16).ok_or_else(|| {
                    let nearest = suggest::nearest(name, choice.candidates.iter().map(String::as_str));
                    ArchError::UnknownCandidate { choice: choice.name.clone(), name: name.clone(), nearest }
                })
            })
            .collect::<Result<_, _>>()
            .map(Arch)
    }
}
