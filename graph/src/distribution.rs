//! Files of distributions over the candidates of each choice.

use std::collections::BTreeMap;

use nasprof_base::suggest;
use serde::{Deserialize, Serialize};

use crate::arch::{ArchError, Choice};

/// A distribution over architectures: every choice is drawn independently of the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DistributionFile {
    /// Always 1.
    pub format_version: u32,
    /// Name of the space it belongs to.
    pub space: String,
    /// Choice name to candidate name to probability; candidates that are left out have probability 0.
    #[serde(deserialize_with = "nasprof_base::unique::names")]
    pub choices: BTreeMap<String, BTreeMap<String, f64>>,
}

impl DistributionFile {
    /// Names for probabilities in the order of the choices.
    #[must_use]
    pub fn new(space: &str, choices: &[Choice], probabilities: &[Vec<f64>]) -> Self {
        let named = |(choice, p): (&Choice, &Vec<f64>)| {
            (choice.name.clone(), choice.candidates.iter().cloned().zip(p.iter().copied()).collect())
        };
        Self {
            format_version: 1,
            space: space.to_owned(),
            choices: choices.iter().zip(probabilities).map(named).collect(),
        }
    }

    /// Probabilities in the order of the choices, checked against the space. Their use checks that they sum to 1.
    ///
    /// # Errors
    /// A missing, unknown or mistyped choice or candidate, or the wrong space.
    pub fn resolve(&self, space: &str, choices: &[Choice]) -> Result<Vec<Vec<f64>>, ArchError> {
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
        let of_choice = |choice: &Choice| {
            let given = self.choices.get(&choice.name).ok_or_else(|| ArchError::Missing(choice.name.clone()))?;
            if let Some(name) = given.keys().find(|name| !choice.candidates.contains(name)) {
                let nearest = suggest::nearest(name, choice.candidates.iter().map(String::as_str));
                return Err(ArchError::UnknownCandidate { choice: choice.name.clone(), name: name.clone(), nearest });
            }
            Ok(choice.candidates.iter().map(|name| given.get(name).copied().unwrap_or(0.0)).collect())
        };
        choices.iter().map(of_choice).collect()
    }
}
