//! Shared by `nasprof rank` and `nasprof pareto`: LUTs with their space, and the output of networks.

use std::path::Path;

use nasprof_base::text::{ms, si};
use nasprof_graph::arch::ArchFile;
use nasprof_lut::{Lut, read};
use nasprof_search::ranking::{Explored, Network};
use nasprof_spaces::Space;
use serde::Serialize;

use super::context::{check_context, of_timing};
use super::{print_json, status};
use crate::cli::{ContextArgs, TimingArg};
use crate::failure::Failure;
use crate::resolve::{self, at_batch};

/// A LUT and its space at its batch size.
pub(super) struct OfSpace {
    pub(super) lut: Lut,
    pub(super) space: Space,
}

impl OfSpace {
    pub(super) fn read(path: &Path, space: Option<&str>, timing: Option<TimingArg>) -> Result<Self, Failure> {
        let context = ContextArgs { timing, ..ContextArgs::default() };
        let lut = of_timing(read(path)?, &context).map_err(|f| f.context(path.display()))?;
        let space = resolve::space_or(space, &lut.context.header.space, "the LUT")?;
        let (space, identity) = at_batch(space, lut.context.header.batch)?;
        check_context(&lut, &context, &space.name, &identity).map_err(|f| f.context(path.display()))?;
        Ok(Self { lut, space })
    }
}

/// A network as a line of JSON.
#[derive(Serialize)]
pub(super) struct Line {
    pub(super) arch: ArchFile,
    pub(super) latency_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) other_latency_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) score: Option<f64>,
    pub(super) params: u64,
    pub(super) macs: u64,
}

impl Line {
    pub(super) fn new(network: &Network, space: &Space, score: Option<f64>) -> Self {
        Self {
            arch: ArchFile::new(&space.name, &space.choices, &network.arch),
            latency_ms: network.latency_ms,
            other_latency_ms: network.other_ms,
            score,
            params: network.params,
            macs: network.macs,
        }
    }

    pub(super) fn print(&self) -> Result<(), Failure> {
        print_json(self)
    }
}

/// Parameters and MACs, as columns.
pub(super) fn counts(network: &Network) -> String {
    format!("{:>10} {:>10}", si(network.params as f64), si(network.macs as f64))
}

pub(super) fn latency(milliseconds: f64) -> String {
    format!("{:>11}", ms(milliseconds))
}

/// The selected candidates, in order.
pub(super) fn selections(network: &Network, space: &Space) -> String {
    let names = space.choices.iter().zip(&network.arch.0).filter_map(|(c, &i)| c.candidates.get(usize::from(i)));
    names.map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Prints how much of the space was explored.
pub(super) fn say(explored: Explored) {
    status(match explored {
        Explored::Enumerated { networks } => format!("exact: all {networks} architectures were evaluated"),
        Explored::Exact => "exact over the whole space: each choice adds its own part".to_owned(),
        Explored::Sampled { samples, seed } => format!(
            "not exact: the best of {samples} sampled networks (seed {seed}) and of their neighbours; better ones may exist"
        ),
    });
}

/// The error for an empty answer.
pub(super) fn none_known() -> Failure {
    Failure::usage("the LUT has no latency for any network of the space")
        .hint("`nasprof lut check` looks for gaps; measure the space again")
}
