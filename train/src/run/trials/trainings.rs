//! The trainings as a search asks for them.

use nasprof_graph::Arch;
use nasprof_search::methods::{Fault, Progress, Trainings, Work};

use super::super::trial::cost_of;
use super::Trials;

impl Trainings for Trials<'_> {
    fn epochs(&self) -> u32 {
        self.settings.training.epochs
    }

    fn has_curves(&self) -> bool {
        true
    }

    fn score(&mut self, arch: &Arch, score: &str) -> Result<Option<f64>, Fault> {
        match score {
            "macs" => Ok(Some(cost_of(self.plan, arch)?.macs as f64)),
            "params" => Ok(Some(cost_of(self.plan, arch)?.params as f64)),
            _ => Ok(self.scored(arch, score)?),
        }
    }

    fn train(&mut self, archs: &[Arch], epochs: u32) -> Result<Vec<Option<Progress>>, Fault> {
        if self.settings.training.processes > 1 && archs.len() > 1 {
            self.train_in_processes(archs, epochs)?;
        }
        archs.iter().map(|arch| Ok(self.train_one(arch, epochs)?)).collect()
    }

    fn begun(&self, arch: &Arch) -> u32 {
        self.known.get(arch).map_or(0, |known| known.epochs.len() as u32 + u32::from(known.failed))
    }

    fn train_as_scheduled(&mut self, work: &mut dyn Work) -> Result<(), Fault> {
        if self.settings.training.processes > 1 {
            return Ok(self.work_in_processes(work)?);
        }
        while let Some((arch, epochs)) = work.next() {
            let progress = self.train_one(&arch, epochs)?;
            work.ended(&arch, progress);
        }
        Ok(())
    }
}
