//! A search from the start, or from a checkpoint, to the result.

mod judge;
mod outcome;

use nasprof_graph::Arch;
use nasprof_graph::arch::ArchFile;
use nasprof_search::config::{ConfigError, Loaders, Plan, Searcher as Searching, Training};
use nasprof_search::data::Loader;
use nasprof_search::events::{Judging, RunEvent, Step};
use nasprof_search::folder::{Claim, FolderError, finished};
use nasprof_search::job::{Epochs, Existing, Job, RunResult, Task};
use nasprof_search::selection::DiscretizationRule;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::checkpoint;
use super::checkpoint::Of;
use super::compute::{check_replay, place};
use super::folder::Folder;
use super::images::Updates;
use super::judging::judge_all;
use super::progress::{Means, Progress, Row, at_epoch};
use crate::batch::MiniBatch;
use crate::error::SearchError;
use crate::place::Place;
use crate::searchers::Searcher;
use crate::session::Session;
use crate::session_state::SessionState;

/// The state in a search's checkpoint, besides the tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    /// Completed epochs, including the warm-up; the checkpoint stores them.
    #[serde(skip)]
    epochs: u32,
    /// Earlier values of `training.epochs`, with which the run finished before it was extended.
    extended_from: Vec<u32>,
    session: SessionState,
    searcher: Value,
    rows: Vec<Row>,
    seconds: f64,
    /// The devices of its epochs, in words.
    #[serde(default)]
    computed_on: Vec<String>,
    /// The winner that the searcher named when it finished.
    winner: Option<Arch>,
}

/// Runs an experiment with a custom searcher instead of the one in its file.
///
/// # Errors
/// Those of [`super::run`].
pub fn search_with(
    job: &Job,
    searcher: Box<dyn Searcher>,
    emit: &mut dyn FnMut(RunEvent),
) -> Result<RunResult, SearchError> {
    search(&Plan::new(job.experiment.clone())?, job, searcher, None, emit)
}

pub(super) fn search(
    plan: &Plan,
    job: &Job,
    searcher: Box<dyn Searcher>,
    factor: Option<f64>,
    emit: &mut dyn FnMut(RunEvent),
) -> Result<RunResult, SearchError> {
    let missing = |key: &str| ConfigError::Key { key: key.to_owned(), problem: "is missing".to_owned() };
    let loaders = plan.loaders.as_ref().ok_or_else(|| missing("data"))?;
    let training = plan.experiment.training.as_ref().ok_or_else(|| missing("training"))?;
    if training.cuda_graphs && !matches!(plan.experiment.searcher, Some(Searching::Darts { .. })) {
        let problem =
            "applies only to trainings and DARTS: other searches train a different network in each step".to_owned();
        return Err(ConfigError::Key { key: "training.cuda_graphs".to_owned(), problem }.into());
    }
    check_replay(&plan.experiment)?;
    let judges = matches!(job.task, Task::Judge { .. });
    if judges && finished::<RunResult>(&job.folder)?.is_none() {
        let problem = "contains no finished search".to_owned();
        return Err(FolderError::Format { path: job.folder.clone(), problem }.into());
    }
    // Selects the device before it claims the folder: the experiment may name a device that does not exist.
    let place = place(training)?;
    let (folder, claim) =
        Folder::open(&job.folder, &plan.experiment, if factor.is_some() { Existing::Resume } else { job.existing })?;
    let session = Session::new(plan, place.device)?;
    let of =
        Of { space: plan.space.graph.identity(), data: loaders.digest(), experiment: plan.experiment.resolved_toml() };
    let rule = DiscretizationRule::of(&plan.space.choices);
    let state = State {
        epochs: 0,
        extended_from: Vec::new(),
        session: session.state().1,
        searcher: Value::Null,
        rows: Vec::new(),
        seconds: 0.0,
        computed_on: Vec::new(),
        winner: None,
    };
    let valid = loaders.valid.as_ref().ok_or_else(|| missing("data.train_portion"))?;
    let mut run = Run { plan, training, loaders, valid, folder, session, searcher, of, rule, place, state, emit };
    let resumed = run.resume(claim)?;
    match factor {
        None if judges => {}
        Some(factor) if resumed && run.finished() => {
            run.folder.log(&format!("selecting again, with the LUT's latencies times {factor:.4}"))?;
        }
        Some(_) => {
            let problem = "contains no finished search".to_owned();
            return Err(FolderError::Format { path: job.folder.clone(), problem }.into());
        }
        None => run.folder.begin(claim, &plan.experiment, &run.epochs(), run.emit)?,
    }
    if !run.finished() {
        run.folder.computes(&run.place, &mut run.state.computed_on, run.emit)?;
    }
    if !resumed {
        run.searcher.on_start(&mut run.session)?;
    }
    if let Task::Judge { table } = &job.task {
        return run.judge(table);
    }
    run.train()?;
    run.result(factor.unwrap_or(1.0))
}

struct Run<'a> {
    plan: &'a Plan,
    training: &'a Training,
    loaders: &'a Loaders,
    valid: &'a Loader,
    folder: Folder,
    session: Session<'a>,
    searcher: Box<dyn Searcher>,
    of: Of,
    rule: DiscretizationRule,
    place: Place,
    state: State,
    emit: &'a mut dyn FnMut(RunEvent),
}

impl Run<'_> {
    fn resume(&mut self, claim: Claim) -> Result<bool, SearchError> {
        let Some(loaded) = checkpoint::load::<State>(self.folder.path(), &self.of)? else {
            return Ok(false);
        };
        let fail = |name: String| SearchError::checkpoint(&loaded.path, format!("{name} is missing or does not fit"));
        self.session.restore(&loaded.state.session, |name| loaded.find(name)).map_err(fail)?;
        self.searcher.restore(&loaded.state.searcher).map_err(fail)?;
        self.state = State { epochs: loaded.epochs, ..loaded.state };
        if let Claim::Extended { from } = claim {
            self.state.extended_from.push(from);
            // The searcher names a new winner when the longer run is over.
            self.state.winner = None;
        }
        self.folder.table(&self.state.rows)?;
        Ok(true)
    }

    fn epochs(&self) -> Epochs {
        let Training { epochs: after_warm_up, warm_up_epochs: warm_up, .. } = *self.training;
        let extended_from = self.state.extended_from.clone();
        Epochs { all: self.training.all_epochs(), warm_up, after_warm_up, extended_from }
    }

    fn finished(&self) -> bool {
        self.state.epochs == self.training.all_epochs()
    }

    fn train(&mut self) -> Result<(), SearchError> {
        let (first, end) = (self.state.epochs, self.training.all_epochs());
        let before = self.state.seconds;
        let steps = self.loaders.train_batches.steps as u64;
        let mut progress = Progress::new(u64::from(end - first) * steps);
        let device = self.session.net().device();
        let warm_up = self.training.warm_up_epochs;
        let mut train =
            Updates::from(&self.loaders.train, self.loaders.train_batches, u64::from(first) * steps, device);
        let judged = u64::from(first.saturating_sub(warm_up)) * steps;
        let mut valid = Updates::from(self.valid, self.loaders.valid_batches, judged, device);
        for epoch in first..end {
            self.session.set_warming_up(epoch < warm_up);
            let row = self.epoch(epoch, &mut train, &mut valid, &mut progress);
            let row = row.and_then(|row| self.session.check_weights().map(|()| row));
            let row = row.map_err(|e| at_epoch(e, epoch + 1, &self.folder.state_file()))?;
            self.state.rows.push(row);
            self.state.epochs = epoch + 1;
            self.state.seconds = before + progress.seconds();
            if self.finished() {
                self.state.winner = self.finish()?;
            }
            self.save()?;
        }
        Ok(())
    }

    fn epoch(
        &mut self,
        epoch: u32,
        train: &mut Updates,
        valid: &mut Updates,
        progress: &mut Progress,
    ) -> Result<Row, SearchError> {
        let warming_up = epoch < self.training.warm_up_epochs;
        let steps = self.loaders.train_batches.steps;
        let mut means = Means::default();
        means.curve("learning_rate".to_owned(), self.session.learning_rate());
        for step in 0..steps {
            // Dropout uses libtorch's generator. Seeding it in each step keeps it out of checkpoints.
            tch::manual_seed((self.session.seed() as i64) ^ (i64::from(epoch) << 32 | step as i64));
            let batch = train.next(self.emit)?;
            if warming_up {
                means.tally("train", self.searcher.train_step(&mut self.session, &batch)?)?;
            } else {
                let judging = valid.next(self.emit)?;
                let (searcher, session) = (&mut self.searcher, &mut self.session);
                let first = searcher.architecture_first();
                if first {
                    arch_step(searcher.as_mut(), session, &batch, &judging, &mut means)?;
                }
                means.tally("train", searcher.train_step(session, &batch)?)?;
                if !first {
                    arch_step(searcher.as_mut(), session, &batch, &judging, &mut means)?;
                }
            }
            if let Some(seconds_left) = progress.step() {
                let score = means.of("train")?;
                let (loss, error) = (score.loss, score.error());
                let (epoch, epochs, step) = (epoch + 1, self.training.all_epochs(), step + 1);
                let expected = self.session.regularizers().expected();
                (self.emit)(RunEvent::Step(Step {
                    epoch,
                    epochs,
                    warming_up,
                    step,
                    steps,
                    loss,
                    error,
                    expected,
                    seconds_left,
                }));
            }
        }
        if !warming_up {
            self.searcher.on_epoch_end(&mut self.session)?;
        }
        means.row(epoch + 1)
    }

    /// Called after the last step; the searcher may name the winner.
    fn finish(&mut self) -> Result<Option<Arch>, SearchError> {
        let (loaders, valid) = (self.loaders, self.valid);
        let emit = &mut *self.emit;
        let wanted = self.plan.experiment.searcher.as_ref().map_or(0, Searching::evaluated_at_the_end);
        let (mut judged, mut progress) = (0, Progress::new(wanted));
        let mut judge = |session: &Session<'_>, arch: &Arch| {
            judged += 1;
            if let Some(seconds_left) = progress.step() {
                emit(RunEvent::Judging(Judging { judged, wanted, seconds_left }));
            }
            judge_all(session, arch, loaders, valid, emit)
        };
        self.searcher.on_finish(&mut self.session, &mut judge)
    }

    fn save(&mut self) -> Result<(), SearchError> {
        let selected = self.select(1.0)?;
        let space = &self.plan.space;
        self.folder.arch(&ArchFile::new(&space.name, &space.choices, &selected.arch))?;
        let probabilities = self.session.distribution().probabilities();
        self.folder.candidates(space, &selected.arch, &probabilities, self.state.epochs)?;
        let (tensors, session) = self.session.state();
        self.state.session = session;
        self.state.searcher = self.searcher.state();
        let beside = ["alphas.csv", "luts.sha256"];
        checkpoint::save(self.folder.path(), &self.of, self.state.epochs, &tensors, &beside, &self.state)?;
        self.folder.epoch(&self.state.rows, &self.epochs(), self.emit)
    }
}

fn arch_step(
    searcher: &mut dyn Searcher,
    session: &mut Session<'_>,
    train: &[MiniBatch],
    valid: &[MiniBatch],
    means: &mut Means,
) -> Result<(), SearchError> {
    let step = searcher.arch_step(session, train, valid)?;
    means.tally("valid", step.tally)?;
    for (name, value) in step.curves.into_iter().chain(session.regularizers().curves()) {
        means.curve(name, value);
    }
    Ok(())
}
