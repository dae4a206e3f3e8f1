//! `result.json` of any run, as a type for reports and the command line.

use nasprof_graph::arch::ArchFile;
use serde::{Deserialize, Serialize, Serializer};

use crate::evolution::SampledResult;
use crate::job::RunResult;
use crate::winner::Latency;

/// The result of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// Of a search that trains, or of a training.
    Trained(Box<RunResult>),
    /// Of a search without training.
    Sampled(Box<SampledResult>),
}

/// A regularized quantity of the result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RecordedQuantity<'a> {
    /// `latency`, `memory`, `params` or `macs`.
    pub name: &'a str,
    /// The target or upper bound.
    pub limit: Option<f64>,
    /// Its value, estimated by LUT and graph.
    pub estimated: f64,
}

impl Record {
    /// Reads the text of a `result.json`, including earlier versions. Only a search without training has a `score`.
    ///
    /// # Errors
    /// A text that is not a result.
    pub fn parse(text: &str) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Kind {
            score: Option<String>,
        }
        Ok(match serde_json::from_str::<Kind>(text)?.score {
            Some(_) => Self::Sampled(Box::new(serde_json::from_str(text)?)),
            None => Self::Trained(Box::new(serde_json::from_str(text)?)),
        })
    }

    /// The result of a search that trains or of a training; `None` for other runs.
    #[must_use]
    pub fn trained(&self) -> Option<&RunResult> {
        match self {
            Self::Trained(result) => Some(result),
            Self::Sampled(_) => None,
        }
    }

    /// The architecture; `None` for a genotype.
    #[must_use]
    pub fn arch(&self) -> Option<&ArchFile> {
        match self {
            Self::Trained(result) => result.arch.as_ref(),
            Self::Sampled(sampled) => Some(&sampled.arch),
        }
    }

    /// Its latency.
    #[must_use]
    pub fn latency(&self) -> &Latency {
        match self {
            Self::Trained(result) => &result.latency,
            Self::Sampled(sampled) => &sampled.latency,
        }
    }

    /// Trainable parameters, multiply-accumulates for one image, and seconds of the run.
    #[must_use]
    pub fn counts(&self) -> (u64, u64, f64) {
        match self {
            Self::Trained(result) => (result.params, result.macs, result.seconds),
            Self::Sampled(sampled) => (sampled.params, sampled.macs, sampled.seconds),
        }
    }

    /// All regularized quantities, in the order of the experiment.
    #[must_use]
    pub fn quantities(&self) -> Vec<RecordedQuantity<'_>> {
        match self {
            Self::Trained(result) => {
                let all = result.quantities.iter();
                all.map(|q| RecordedQuantity { name: &q.quantity, limit: q.limit, estimated: q.estimated }).collect()
            }
            Self::Sampled(sampled) => {
                let all = sampled.quantities.iter();
                all.map(|q| RecordedQuantity { name: &q.quantity, limit: q.upper, estimated: q.estimated }).collect()
            }
        }
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Trained(result) => result.serialize(serializer),
            Self::Sampled(sampled) => sampled.serialize(serializer),
        }
    }
}
