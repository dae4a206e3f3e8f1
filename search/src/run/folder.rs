//! The folder of a run: who owns it, and what it holds.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use nasprof_graph::arch::ArchFile;
use nasprof_reports::tensorboard::EventWriter;

use super::checkpoint::write_tensors;
use super::progress::Row;
use super::replace;
use crate::config::Experiment;
use crate::error::SearchError;
use crate::job::RunResult;
use crate::optimizer::Named;

/// A run's folder, locked while it is open.
pub(super) struct Folder {
    path: PathBuf,
    log: File,
    events: Option<EventWriter>,
}

impl Folder {
    /// Opens a folder for a new run, or the folder of an interrupted one.
    pub(super) fn open(path: &Path, experiment: &Experiment, resume: bool) -> Result<Self, SearchError> {
        let fail = |source| SearchError::file(path, source);
        fs::create_dir_all(path.join("checkpoint")).map_err(fail)?;
        let log = OpenOptions::new().create(true).append(true).open(path.join("log.txt")).map_err(fail)?;
        let refuse = |problem: &str| Err(SearchError::Folder { path: path.to_owned(), problem: problem.to_owned() });
        match log.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return refuse("another run is using this folder"),
            Err(TryLockError::Error(source)) => return Err(fail(source)),
        }
        let config = path.join("config.toml");
        match fs::read_to_string(&config) {
            Ok(text) if resume => {
                if Experiment::parse(&text, &[])? != *experiment {
                    return refuse("holds a run of another experiment than this one, see its config.toml");
                }
            }
            Ok(_) => return refuse("holds a run already; go on with --resume, or take another folder with -o"),
            Err(_) => replace(&config, experiment.resolved_toml().as_bytes())?,
        }
        Ok(Self { path: path.to_owned(), log, events: None })
    }

    pub(super) fn checkpoint(&self) -> PathBuf {
        self.path.join("checkpoint")
    }

    /// Appends a line to `log.txt`.
    pub(super) fn log(&mut self, line: &str) -> Result<(), SearchError> {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        writeln!(self.log, "{seconds}\t{line}").map_err(|e| SearchError::file(&self.path.join("log.txt"), e))
    }

    /// Writes down the last of all epochs, and says it.
    pub(super) fn epoch(&mut self, rows: &[Row], say: &mut dyn FnMut(&str)) -> Result<(), SearchError> {
        self.table(rows)?;
        let Some(row) = rows.last() else { return Ok(()) };
        let values = row.values.iter().map(|(name, value)| format!("{name} {value:.4}"));
        let line = format!("epoch {}: {}", row.epoch + 1, values.collect::<Vec<_>>().join(", "));
        say(&line);
        self.events(row)?;
        self.log(&line)
    }

    /// Writes `metrics.csv` anew.
    pub(super) fn table(&self, rows: &[Row]) -> Result<(), SearchError> {
        replace(&self.path.join("metrics.csv"), super::progress::table(rows).as_bytes())
    }

    fn events(&mut self, row: &Row) -> Result<(), SearchError> {
        let fail = |e: nasprof_reports::ReportError| SearchError::Folder {
            path: self.path.join("tensorboard"),
            problem: e.to_string(),
        };
        let events = match &mut self.events {
            Some(events) => events,
            none => none.insert(EventWriter::create(&self.path.join("tensorboard")).map_err(fail)?),
        };
        for (tag, value) in &row.values {
            events.scalar(tag, i64::from(row.epoch), *value).map_err(fail)?;
        }
        events.flush().map_err(fail)
    }

    /// Writes `weights.safetensors`.
    pub(super) fn weights(&self, tensors: &[Named]) -> Result<(), SearchError> {
        write_tensors(&self.path.join("weights.safetensors"), tensors)
    }

    pub(super) fn arch(&self, arch: &ArchFile) -> Result<(), SearchError> {
        let path = self.path.join("arch.json");
        let mut text = serde_json::to_vec_pretty(arch).map_err(|e| SearchError::file(&path, e.into()))?;
        text.push(b'\n');
        replace(&path, &text)
    }

    pub(super) fn result(&self, result: &RunResult) -> Result<(), SearchError> {
        result.write(&self.path).map_err(|e| SearchError::file(&self.path, e))
    }
}
