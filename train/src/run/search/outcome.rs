//! The winner of a search, and its result.

use nasprof_graph::Arch;
use nasprof_graph::arch::ArchFile;
use nasprof_graph::passes::{eliminate_dead_code, select as select_arch};
use nasprof_search::folder::reopen;
use nasprof_search::job::{QuantityResult, RunResult};
use nasprof_search::selection::{Selected, select};
use nasprof_search::winner::Latency;
use nasprof_spaces::Space;

use super::super::compute::computed_on;
use super::super::judging::judge_all;
use super::Run;
use crate::error::SearchError;

impl Run<'_> {
    /// Selects the current winner within the limits, with the device's latencies multiplied by `factor`.
    pub(super) fn select(&self, factor: f64) -> Result<Selected, SearchError> {
        let probabilities = match &self.state.winner {
            // The searcher's own winner, unless it violates the limits.
            Some(arch) => around(&self.plan.space, arch),
            None => self.session.distribution().probabilities(),
        };
        let limits = self.session.regularizers().limits(|r| if self.plan.is_of_device(r) { factor } else { 1.0 });
        Ok(select(&self.plan.space, &self.rule, &probabilities, &limits)?)
    }

    /// Judges the winner and writes the result.
    pub(super) fn result(&mut self, factor: f64) -> Result<RunResult, SearchError> {
        let selected = self.select(factor)?;
        let space = &self.plan.space;
        let score = judge_all(&self.session, &selected.arch, self.loaders, self.valid, self.emit)?;
        let values = self.session.regularizers().values(&selected.arch)?;
        let settings: Vec<_> = self.session.regularizers().settings().collect();
        let network = select_arch(&space.graph, &selected.arch)
            .map_err(|e| SearchError::Searcher(e.to_string()))
            .map(|graph| eliminate_dead_code(&graph))?;
        let cost = network.cost();
        let arch = ArchFile::new(&space.name, &space.choices, &selected.arch);
        let result = RunResult {
            format_version: 1,
            arch: Some(arch),
            latency: Latency::new(self.plan, &values, factor),
            feasible: selected.feasible,
            repaired: selected.repaired,
            accuracy: score.accuracy(),
            accuracy_of: format!("{} validation images, with the weights of the supernet", score.images),
            accuracy_images: Some(score.images),
            computed_on: computed_on(&self.state.computed_on),
            epochs: Some(self.epochs()),
            training: None,
            spent: None,
            quantities: settings
                .iter()
                .zip(&values)
                .map(|(s, &estimated)| QuantityResult {
                    quantity: s.quantity.name().to_owned(),
                    kind: s.kind.name().to_owned(),
                    limit: s.limit(),
                    estimated,
                })
                .collect(),
            params: cost.params,
            macs: cost.macs,
            seconds: self.state.seconds,
            seed: self.plan.experiment.seed,
        };
        reopen(self.folder.path())?;
        self.folder.picture(space, &selected.arch, &self.session.distribution().probabilities())?;
        self.folder.result(&result)?;
        Ok(result)
    }
}

/// A distribution that prefers one architecture and gives all other candidates equal probabilities.
fn around(space: &Space, arch: &Arch) -> Vec<Vec<f64>> {
    let row = |(choice, &selected): (&nasprof_graph::Choice, &u16)| {
        let n = choice.candidates.len();
        let other = 0.1 / n as f64;
        (0..n).map(|k| if k == usize::from(selected) { 1.0 - other * (n - 1) as f64 } else { other }).collect()
    };
    space.choices.iter().zip(&arch.0).map(row).collect()
}
