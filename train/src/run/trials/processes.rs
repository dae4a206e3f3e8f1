//! Trains several networks at the same time, each in a separate process.

use nasprof_graph::Arch;
use nasprof_search::events::RunEvent;
use nasprof_search::job::{Existing, Job, Task};

use super::super::workers::{News, in_processes};
use super::Trials;
use crate::error::SearchError;

impl Trials<'_> {
    /// Trains networks in separate processes, `at_once` at the same time.
    pub(super) fn train_in_processes(
        &mut self,
        archs: &[Arch],
        epochs: u32,
        at_once: usize,
    ) -> Result<(), SearchError> {
        let left: Vec<&Arch> = archs.iter().filter(|arch| !self.is_done(arch, epochs)).collect();
        let jobs: Vec<Job> = left
            .into_iter()
            .map(|arch| {
                let number = self.number(arch, None);
                let task = Task::TrainOne { arch: arch.clone(), number, epochs };
                let (experiment, folder) = (self.plan.experiment.clone(), self.folder.clone());
                Job { task, experiment, folder, existing: Existing::Resume }
            })
            .collect();
        in_processes(jobs, at_once, &mut |news| match news {
            News::Record(record) => {
                let event = serde_json::from_value(record).map_err(|e| SearchError::Searcher(e.to_string()))?;
                self.record(event)
            }
            News::Line(line) => {
                self.tell(line);
                Ok(())
            }
            News::Alive => {
                (self.emit)(RunEvent::Alive);
                Ok(())
            }
        })
    }
}
