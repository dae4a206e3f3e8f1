//! Trains several networks at the same time, each in a separate process.

use nasprof_graph::Arch;
use nasprof_search::events::RunEvent;
use nasprof_search::job::{Existing, Job, Task};
use nasprof_search::methods::{Progress, Work};

use super::super::workers::{News, Parent, in_processes};
use super::Trials;
use crate::error::SearchError;

/// Networks that are all trained until they have as many epochs.
struct Each {
    /// Without the networks handed out, and in reverse.
    left: Vec<Arch>,
    epochs: u32,
}

impl Work for Each {
    fn next(&mut self) -> Option<(Arch, u32)> {
        Some((self.left.pop()?, self.epochs))
    }

    fn ended(&mut self, _arch: &Arch, _progress: Option<Progress>) {}
}

/// Trainings with what hands out networks for them.
struct Crew<'t, 'a> {
    trials: &'t mut Trials<'a>,
    work: &'t mut dyn Work,
}

impl Parent for Crew<'_, '_> {
    fn next(&mut self) -> Option<Job> {
        loop {
            let (arch, epochs) = self.work.next()?;
            if !self.trials.is_done(&arch, epochs) {
                let number = self.trials.number(&arch, None);
                let (experiment, folder) = (self.trials.plan.experiment.clone(), self.trials.folder.clone());
                let task = Task::TrainOne { arch, number, epochs };
                return Some(Job { task, experiment, folder, existing: Existing::Resume });
            }
            self.work.ended(&arch, self.trials.trained(&arch, epochs));
        }
    }

    fn told(&mut self, news: News) -> Result<(), SearchError> {
        match news {
            News::Record(record) => {
                let event = serde_json::from_value(record).map_err(|e| SearchError::Searcher(e.to_string()))?;
                self.trials.record(event)?;
            }
            News::Line(line) => self.trials.tell(line),
            News::Alive => (self.trials.emit)(RunEvent::Alive),
        }
        Ok(())
    }

    fn ended(&mut self, job: Job) -> Result<(), SearchError> {
        if let Task::TrainOne { arch, epochs, .. } = job.task {
            // All epochs are known by now; if not, this process trains the others.
            let progress = self.trials.train_one(&arch, epochs)?;
            self.work.ended(&arch, progress);
        }
        Ok(())
    }
}

impl Trials<'_> {
    /// Trains networks in separate processes, until each has `epochs` epochs.
    pub(super) fn train_in_processes(&mut self, archs: &[Arch], epochs: u32) -> Result<(), SearchError> {
        self.work_in_processes(&mut Each { left: archs.iter().rev().cloned().collect(), epochs })
    }

    /// Trains in separate processes what `work` hands out.
    pub(super) fn work_in_processes(&mut self, work: &mut dyn Work) -> Result<(), SearchError> {
        let training = self.settings.training;
        in_processes(training.processes as usize, training.compute, &mut Crew { trials: self, work })
    }
}
