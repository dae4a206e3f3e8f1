//! A searcher that trains a list of architectures in turn and replaces the worst by a change of the best.
//!
//! Run it with `cargo run -p nasprof-examples --example own_searcher EXPERIMENT.toml FOLDER`.

use std::path::PathBuf;

use nasprof_graph::Arch;
use nasprof_search::config::Experiment;
use nasprof_search::job::{Existing, Job, Task};
use nasprof_train::run::search_with;
use nasprof_train::searchers::{ArchStep, Judge, Searcher};
use nasprof_train::supernet::Path;
use nasprof_train::{Gradients, MiniBatch, SearchError, Session, loss::Tally};
use rand::Rng;

#[derive(Default)]
struct Replacing {
    kept: Vec<Arch>,
    turn: usize,
}

impl Searcher for Replacing {
    fn on_start(&mut self, session: &mut Session<'_>) -> Result<(), SearchError> {
        self.kept = (0..8).map(|_| session.sample()).collect();
        Ok(())
    }

    fn train_step(&mut self, session: &mut Session<'_>, batch: &[MiniBatch]) -> Result<Tally, SearchError> {
        self.turn = (self.turn + 1) % self.kept.len();
        let mut gradients = Gradients::new();
        let tally = session.weight_gradients(Path::Selected(&self.kept[self.turn]), batch, &mut gradients)?;
        session.update_weights(gradients)?;
        Ok(tally)
    }

    fn arch_step(
        &mut self,
        session: &mut Session<'_>,
        _train: &[MiniBatch],
        valid: &[MiniBatch],
    ) -> Result<ArchStep, SearchError> {
        let mut tallies = self.kept.iter().map(|a| session.judge_later(a, valid)).collect::<Result<Vec<_>, _>>()?;
        let scores = tallies.iter_mut().map(Tally::score).collect::<Result<Vec<_>, _>>()?;
        let by_error = |&a: &usize, &b: &usize| scores[a].error().total_cmp(&scores[b].error());
        let best = (0..scores.len()).min_by(by_error).unwrap_or(0);
        let worst = (0..scores.len()).max_by(by_error).unwrap_or(0);
        let mut child = self.kept[best].clone();
        let mut rng = session.random();
        let choice = rng.random_range(0..child.0.len());
        child.0[choice] = rng.random_range(0..session.space().choices[choice].candidates.len()) as u16;
        self.kept[worst] = child;
        Ok(ArchStep { tally: tallies.swap_remove(best), curves: Vec::new() })
    }

    fn on_finish(&mut self, session: &mut Session<'_>, judge: &mut Judge<'_>) -> Result<Option<Arch>, SearchError> {
        let errors = self.kept.iter().map(|arch| Ok(judge(session, arch)?.error()));
        let errors = errors.collect::<Result<Vec<_>, SearchError>>()?;
        let best = (0..errors.len()).min_by(|&a, &b| errors[a].total_cmp(&errors[b]));
        Ok(best.map(|best| self.kept[best].clone()))
    }

    fn state(&self) -> serde_json::Value {
        serde_json::json!([self.kept, self.turn])
    }

    fn restore(&mut self, state: &serde_json::Value) -> Result<(), String> {
        (self.kept, self.turn) = serde_json::from_value(state.clone()).map_err(|e| e.to_string())?;
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [experiment, folder] = [1, 2].map(|i| std::env::args().nth(i).map(PathBuf::from).unwrap_or_default());
    let experiment = Experiment::read(&experiment, &[])?;
    let job = Job { task: Task::Run, experiment, folder, existing: Existing::Refuse };
    let result = search_with(&job, Box::new(Replacing::default()), &mut |_| {})?;
    assert!(result.arch.is_some(), "a search ends with an architecture");
    Ok(())
}
