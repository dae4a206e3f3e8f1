//! The files in the folder of a run. All of them count epochs from 1, including the warm-up.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use nasprof_graph::Arch;
use nasprof_graph::arch::ArchFile;
use nasprof_graph::passes::{SelectError, eliminate_dead_code, select as select_arch};
use nasprof_render::diagram::architecture;
use nasprof_render::tensorboard::EventWriter;
use nasprof_render::{Png, RenderError};
use nasprof_search::config::Experiment;
use nasprof_search::events::RunEvent;
use nasprof_search::folder::{Claim, FolderError, LOG, STATE, append_line, claim, lock, reopen};
use nasprof_search::inputs;
use nasprof_search::job::{Epochs, Existing, RunResult, clear};
use nasprof_spaces::Space;

use super::progress::Row;
use super::replace;
use crate::error::SearchError;
use crate::place::Place;

/// A run's folder, locked while it is open.
pub(super) struct Folder {
    path: PathBuf,
    log: File,
    events: Option<EventWriter>,
}

impl Folder {
    /// Opens the folder of a new run, or of a run to resume, extend or replace.
    pub(super) fn open(path: &Path, experiment: &Experiment, existing: Existing) -> Result<(Self, Claim), SearchError> {
        let fail = |source| FolderError::file(path, source);
        // Before it creates anything in a folder that may not be ours.
        claim(path, experiment, existing)?;
        let log = lock(path)?;
        if existing == Existing::Overwrite {
            log.set_len(0).and_then(|()| clear(path, &[LOG])).map_err(fail)?;
        }
        fs::create_dir_all(path.join("checkpoint")).map_err(fail)?;
        // Again, with the lock: another run may have used the folder until now.
        let claim = claim(path, experiment, existing)?;
        let config = path.join("config.toml");
        if claim == Claim::New {
            inputs::keep(path, experiment).map_err(fail)?;
            replace(&config, experiment.resolved_toml().as_bytes())?;
        }
        Ok((Self { path: path.to_owned(), log, events: None }, claim))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The main file of the checkpoint.
    pub(super) fn state_file(&self) -> PathBuf {
        self.path.join(STATE)
    }

    /// Appends a line to `log.txt`, with the UTC time in RFC 3339 format.
    pub(super) fn log(&mut self, line: &str) -> Result<(), SearchError> {
        append_line(&mut self.log, line).map_err(|e| SearchError::file(&self.path.join(LOG), e))
    }

    /// Logs how a run begins or continues, and emits it as an event. Call it after loading the checkpoint, so that a failed
    /// load leaves the folder unchanged.
    pub(super) fn begin(
        &mut self,
        claim: Claim,
        experiment: &Experiment,
        epochs: &Epochs,
        emit: &mut dyn FnMut(RunEvent),
    ) -> Result<(), SearchError> {
        let (config, resolved) = (self.path.join("config.toml"), experiment.resolved_toml());
        if matches!(claim, Claim::Extended { .. }) || fs::read_to_string(&config).is_ok_and(|text| text != resolved) {
            reopen(&self.path)?;
            replace(&config, resolved.as_bytes())?;
        }
        let seed = experiment.seed;
        let all = epochs.in_words();
        let line = match claim {
            Claim::New | Claim::Resumed { epochs: 0, .. } => format!("started: {all}, seed {seed}"),
            Claim::Resumed { finished: true, .. } => format!("finished: {all}"),
            Claim::Resumed { epochs: done, .. } => format!("resumed after epoch {done} of {all}"),
            Claim::Extended { from } => format!(
                "extended from {from} to {} epochs: {all}; the learning rate continues with the schedule of the longer run",
                epochs.after_warm_up
            ),
        };
        emit(RunEvent::Line(line.clone()));
        self.log(&line)
    }

    /// Logs the device of the following epochs, emits it as an event, and adds it to `places`.
    pub(super) fn computes(
        &mut self,
        place: &Place,
        places: &mut Vec<String>,
        emit: &mut dyn FnMut(RunEvent),
    ) -> Result<(), SearchError> {
        let line = format!("computes on {}", place.words);
        emit(RunEvent::Line(line.clone()));
        if places.last() != Some(&place.words) {
            places.push(place.words.clone());
        }
        self.log(&line)
    }

    /// Records the last epoch of `rows`, and emits it as an event.
    pub(super) fn epoch(
        &mut self,
        rows: &[Row],
        of: &Epochs,
        emit: &mut dyn FnMut(RunEvent),
    ) -> Result<(), SearchError> {
        self.table(rows)?;
        let Some(row) = rows.last() else { return Ok(()) };
        let values = row.values.iter().map(|(name, value)| format!("{name} {value:.4}"));
        let warm_up = if row.epoch <= of.warm_up { " (warm-up)" } else { "" };
        let line = format!("epoch {}/{}{warm_up}: {}", row.epoch, of.all, values.collect::<Vec<_>>().join(", "));
        emit(RunEvent::Line(line.clone()));
        self.events(row)?;
        self.log(&line)
    }

    /// Rewrites `metrics.csv`.
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

    /// Draws an architecture and records the candidates' probabilities after an epoch in `alphas.csv`. Both go to
    /// TensorBoard as well. The first call also writes the network's graph and the configuration there.
    pub(super) fn candidates(
        &mut self,
        space: &Space,
        arch: &Arch,
        probabilities: &[Vec<f64>],
        epoch: u32,
    ) -> Result<(), SearchError> {
        let svg = self.picture(space, arch, probabilities)?;
        let alphas = self.path.join("alphas.csv");
        let before = match fs::read_to_string(&alphas) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound => String::new(),
            Err(e) => return Err(SearchError::file(&alphas, e)),
        };
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

    /// Writes into the run's event file, and creates it at the first call.
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
        written.map_err(|e| FolderError::Format { path: folder, problem: e.to_string() }.into())
    }

    /// Writes `weights.safetensors`, a copy of the best weights of the checkpoint for users.
    pub(super) fn publish(&self, best: &str) -> Result<(), SearchError> {
        let path = self.path.join(best);
        let bytes = fs::read(&path).map_err(|e| FolderError::file(&path, e))?;
        replace(&self.path.join("weights.safetensors"), &bytes)
    }

    pub(super) fn arch(&self, arch: &ArchFile) -> Result<(), SearchError> {
        let path = self.path.join("arch.json");
        let mut text = serde_json::to_vec_pretty(arch).map_err(|e| SearchError::file(&path, e.into()))?;
        text.push(b'\n');
        replace(&path, &text)
    }

    pub(super) fn result(&self, result: &RunResult) -> Result<(), SearchError> {
        Ok(result.write(&self.path)?)
    }
}

fn select_error(error: SelectError) -> SearchError {
    SearchError::Searcher(error.to_string())
}
