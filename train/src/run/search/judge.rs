//! Networks judged with the weights of the supernet.

use std::path::Path;

use nasprof_graph::Arch;
use nasprof_graph::arch::ArchFile;
use nasprof_search::agreement::{self, Agreement, Judged};
use nasprof_search::events::{Judging, RunEvent};
use nasprof_search::evolution::Budget;
use nasprof_search::folder::{FolderError, finished};
use nasprof_search::job::RunResult;
use nasprof_search::methods::table::AccuracyTable;

use super::super::judging::judge_all;
use super::super::progress::Progress;
use super::super::replace;
use super::Run;
use crate::error::SearchError;

impl Run<'_> {
    /// Judges the networks of a table that are within the limits, and writes how well this agrees with their stand-alone
    /// trainings.
    pub(super) fn judge(&mut self, table: &Path) -> Result<RunResult, SearchError> {
        let space = &self.plan.space;
        let known = AccuracyTable::read(table, space)?;
        let archs: Vec<Arch> = known.archs().cloned().collect();
        let admitted = Budget::new(space, &self.plan.regularizers, |_| 1.0)?.admitted(space, &archs)?;
        let within: Vec<&Arch> = archs.iter().zip(admitted).filter(|(_, admitted)| *admitted).map(|(a, _)| a).collect();
        let (wanted, mut progress) = (within.len() as u64, Progress::new(within.len() as u64));
        let mut judged = Vec::new();
        for arch in within {
            let Some(entry) = known.find(arch) else { continue };
            let score = judge_all(&self.session, arch, self.loaders, self.valid, self.emit)?;
            let count = |name: &str| entry.scores.get(name).copied().unwrap_or(f64::NAN);
            judged.push(Judged {
                arch: ArchFile::new(&space.name, &space.choices, arch),
                supernet_accuracy: score.accuracy(),
                valid_accuracy: entry.valid,
                test_accuracy: entry.test,
                macs: count("macs"),
                params: count("params"),
            });
            if let Some(seconds_left) = progress.step() {
                (self.emit)(RunEvent::Judging(Judging { judged: judged.len() as u64, wanted, seconds_left }));
            }
        }
        let path = self.folder.path().join(agreement::FILE);
        let text = serde_json::to_vec_pretty(&Agreement::of(judged)).map_err(|e| SearchError::file(&path, e.into()))?;
        replace(&path, &text)?;
        let result = finished::<RunResult>(self.folder.path())?;
        result.ok_or_else(|| FolderError::Missing { path: self.folder.path().join("result.json") }.into())
    }
}
