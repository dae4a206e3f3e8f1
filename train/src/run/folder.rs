//! The folder of a run: its owner and its files.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use nasprof_graph::Arch;
use nasprof_graph::arch::ArchFile;
use nasprof_graph::passes::{SelectError, eliminate_dead_code, select as select_arch};
use nasprof_render::diagram::architecture;
use nasprof_render::tensorboard::EventWriter;
use nasprof_render::{Png, RenderError};
use nasprof_search::config::Experiment;
use nasprof_search::events::RunEvent;
use nasprof_search::job::{Existing, RunResult, clear};
use nasprof_search::lut_files;
use nasprof_spaces::Space;

use super::checkpoint::write_tensors;
use super::progress::Row;
use super::replace;
use crate::error::SearchError;
use crate::optimizer::Named;

/// A run's folder, locked while it is open.
pub(super) struct Folder {
    path: PathBuf,
    log: File,
    events: Option<EventWriter>,
}

impl Folder {
    /// Opens a folder for a new run, or that of a run to go on with or to replace.
    pub(super) fn open(path: &Path, experiment: &Experiment, existing: Existing) -> Result<Self, SearchError> {
        let fail = |source| SearchError::file(path, source);
        fs::create_dir_all(path.join("checkpoint")).map_err(fail)?;
        let log = OpenOptions::new().create(true).append(true).open(path.join("log.txt")).map_err(fail)?;
        let refuse = |problem: &str| Err(SearchError::Folder { path: path.to_owned(), problem: problem.to_owned() });
        match log.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return refuse("another run is using this folder"),
            Err(TryLockError::Error(source)) => return Err(fail(source)),
        }
        if existing == Existing::Overwrite {
            log.set_len(0).and_then(|()| clear(path, &["log.txt"])).map_err(fail)?;
            fs::create_dir_all(path.join("checkpoint")).map_err(fail)?;
        }
        let config = path.join("config.toml");
        match fs::read_to_string(&config) {
            Ok(text) if existing == Existing::Resume => {
                let kept = Experiment::parse(&text, &[])
                    .map_err(|e| SearchError::Folder { path: config.clone(), problem: format!("is damaged: {e}") })?;
                if kept != *experiment {
                    return refuse("holds a run of another experiment than this one, see its config.toml");
                }
                if let Some(lut) = lut_files::changed(path, experiment) {
                    return Err(SearchError::LutChanged { path: path.to_owned(), lut });
                }
            }
            Ok(_) => return Err(SearchError::Exists { path: path.to_owned() }),
            Err(_) => {
                lut_files::keep(path, experiment).map_err(fail)?;
                replace(&config, experiment.resolved_toml().as_bytes())?;
            }
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

    /// Writes down the last of all epochs, and emits it as an event.
    pub(super) fn epoch(&mut self, rows: &[Row], emit: &mut dyn FnMut(RunEvent)) -> Result<(), SearchError> {
        self.table(rows)?;
        let Some(row) = rows.last() else { return Ok(()) };
        let values = row.values.iter().map(|(name, value)| format!("{name} {value:.4}"));
        let line = format!("epoch {}: {}", row.epoch + 1, values.collect::<Vec<_>>().join(", "));
        emit(RunEvent::Line(line.clone()));
        self.events(row)?;
        self.log(&line)
    }

    /// Writes `metrics.csv` anew.
    pub(super) fn table(&self, rows: &[Row]) -> Result<(), SearchError> {
        replace(&self.path.join("metrics.csv"), super::progress::table(rows).as_bytes())
    }

    fn events(&mut self, row: &Row) -> Result<(), SearchError> {
        self.tensorboard(|events| {
            let mut values = row.values.iter();
            values.try_for_each(|(tag, value)| events.scalar(tag, i64::from(row.epoch), *value))
        })
    }

    /// Draws an architecture as `arch.svg`, with the candidates' probabilities.
    pub(super) fn picture(
        &self,
        space: &Space,
        arch: &Arch,
        probabilities: &[Vec<f64>],
    ) -> Result<String, SearchError> {
        let svg = architecture(space, arch, Some(probabilities)).map_err(select_error)?.to_svg();
        replace(&self.path.join("arch.svg"), svg.as_bytes())?;
        Ok(svg)
    }

    /// Draws an architecture and records the candidates' probabilities after an epoch in `alphas.csv`; both go to
    /// TensorBoard as well. The network's graph and the configuration are there once.
    pub(super) fn candidates(
        &mut self,
        space: &Space,
        arch: &Arch,
        probabilities: &[Vec<f64>],
        epoch: u32,
    ) -> Result<(), SearchError> {
        let svg = self.picture(space, arch, probabilities)?;
        let alphas = self.path.join("alphas.csv");
        let before = fs::read_to_string(&alphas).unwrap_or_default();
        replace(&alphas, &super::alphas::table(&before, space, probabilities, epoch))?;
        let once = match &self.events {
            Some(_) => None,
            None => {
                let network = eliminate_dead_code(&select_arch(&space.graph, arch).map_err(select_error)?);
                let config = fs::read_to_string(self.path.join("config.toml")).unwrap_or_default();
                Some((network, format!("```toml\n{config}\n```")))
            }
        };
        self.tensorboard(|events| {
            let step = i64::from(epoch);
            if let Some((network, config)) = &once {
                events.graph(network)?;
                events.text("config", step, config)?;
            }
            events.image("architecture", step, &Png::render(&svg)?)?;
            let mut choices = space.choices.iter().zip(probabilities);
            choices.try_for_each(|(choice, p)| events.histogram(&format!("alphas/{}", choice.name), step, p))
        })
    }

    /// Writes into the run's event file, which is made when it is first needed.
    fn tensorboard(
        &mut self,
        write: impl FnOnce(&mut EventWriter) -> Result<(), RenderError>,
    ) -> Result<(), SearchError> {
        let folder = self.path.join("tensorboard");
        let events = match &mut self.events {
            Some(events) => Ok(events),
            none => EventWriter::create(&folder).map(|events| none.insert(events)),
        };
        let written = events.and_then(|events| write(events).and_then(|()| events.flush()));
        written.map_err(|e| SearchError::Folder { path: folder, problem: e.to_string() })
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

fn select_error(error: SelectError) -> SearchError {
    SearchError::Searcher(error.to_string())
}
