//! Training of one network from the start, or from a checkpoint, to the result, as in NNabla-NAS' `Trainer`.

use nasprof_graph::arch::ArchFile;
use nasprof_graph::passes::{eliminate_dead_code, select};
use nasprof_graph::{Arch, Graph};
use nasprof_search::config::{ConfigError, Loaders, Network, Plan, Training};
use nasprof_search::data::Loader;
use nasprof_search::events::{RunEvent, Step};
use nasprof_search::folder::{Claim, finished};
use nasprof_search::job::{Epochs, Job, RunResult, Trained};
use nasprof_search::winner::Latency;
use nasprof_spaces::SpaceSpec;
use nasprof_spaces::darts::TrainOptions;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::checkpoint;
use super::checkpoint::{Of, read_tensors, write_tensors};
use super::compute::{check_replay, computed_on, place};
use super::folder::Folder;
use super::images::Updates;
use super::progress::{Means, Progress, Row, at_epoch};
use super::single::{Restore, Settings, Single};
use crate::error::SearchError;
use crate::loss::Score;
use crate::scale::LossScale;

/// The state in a training's checkpoint, besides the tensors.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    /// Completed epochs; the checkpoint stores them.
    #[serde(skip)]
    epochs: u32,
    /// Earlier values of `training.epochs`, with which the run finished before it was extended.
    extended_from: Vec<u32>,
    optimizer_steps: u64,
    optimizer_updates: Vec<(String, u64)>,
    #[serde(default)]
    loss_scale: Option<LossScale>,
    rows: Vec<Row>,
    seconds: f64,
    /// The devices of its epochs, in words.
    #[serde(default)]
    computed_on: Vec<String>,
    /// The best epoch so far.
    best: Option<Best>,
}

/// The epoch with the smallest error on the validation images, or the last one without validation images.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Best {
    /// Counted from 1.
    epoch: u32,
    /// Share of the validation images that were classified wrongly.
    error: Option<f64>,
    /// The file of its weights, relative to the run folder.
    weights: String,
}

pub(super) fn train(plan: &Plan, job: &Job, emit: &mut dyn FnMut(RunEvent)) -> Result<RunResult, SearchError> {
    let experiment = &plan.experiment;
    let settings = Settings::of(plan)?;
    let Settings { training, loaders, .. } = settings;
    let missing = |key: &str| ConfigError::Key { key: key.to_owned(), problem: "is missing".to_owned() };
    let network = plan.network.as_ref().ok_or_else(|| missing("trainer"))?;
    check_replay(experiment)?;
    // Selects the device before it claims the folder: the experiment may name a device that does not exist.
    let place = place(training)?;
    let (folder, claim) = Folder::open(&job.folder, experiment, job.existing)?;
    if let Claim::Resumed { finished: true, .. } = claim
        && let Some(result) = finished::<RunResult>(folder.path())?
    {
        // The result has used the test images, which serve only once.
        return Ok(result);
    }
    let options = TrainOptions { drop_path: training.drop_path, auxiliary: training.auxiliary_weight > 0.0 };
    let single = Single::new(settings, graph(plan, network, options)?, experiment.seed, place.device)?;
    let space = single.net.graph().identity();
    let of = Of { space, data: loaders.digest(), experiment: experiment.resolved_toml() };
    let mut run = Run { training, loaders, folder, single, of, state: State::default(), emit };
    run.resume(claim)?;
    run.folder.begin(claim, experiment, &run.epochs(), run.emit)?;
    run.folder.computes(&place, &mut run.state.computed_on, run.emit)?;
    run.train()?;
    let (best, score) = run.test()?;

    let plain = graph(plan, network, TrainOptions::default())?;
    let cost = plain.cost();
    let arch = match network {
        Network::Arch(arch) => Some(ArchFile::new(&plan.space.name, &plan.space.choices, arch)),
        Network::Genotype(_) => None,
    };
    let result = RunResult {
        format_version: 1,
        arch,
        latency: Latency::unknown(),
        feasible: true,
        repaired: false,
        accuracy: score.accuracy(),
        accuracy_of: format!("{} test images, used once, with the weights of epoch {}", score.images, best.epoch),
        accuracy_images: Some(score.images),
        computed_on: computed_on(&run.state.computed_on),
        epochs: Some(run.epochs()),
        training: Some(Trained {
            epoch: best.epoch,
            train_images: loaders.train.images(),
            valid_images: loaders.valid.as_ref().map_or(0, Loader::images),
            valid_accuracy: best.error.map(|error| 1.0 - error),
        }),
        spent: None,
        quantities: Vec::new(),
        params: cost.params,
        macs: cost.macs,
        seconds: run.state.seconds,
        seed: experiment.seed,
    };
    run.folder.result(&result)?;
    Ok(result)
}

/// The network, with the parts that DARTS cells have only in training.
pub(super) fn graph(plan: &Plan, network: &Network, options: TrainOptions) -> Result<Graph, SearchError> {
    let selected = |graph: &Graph, arch: &Arch| match select(graph, arch) {
        Ok(graph) => Ok(eliminate_dead_code(&graph)),
        Err(e) => Err(SearchError::Searcher(e.to_string())),
    };
    match (network, &plan.spec) {
        (Network::Genotype(genotype), SpaceSpec::Darts(darts)) => {
            Ok(darts.network(genotype, options).map_err(ConfigError::from)?)
        }
        (Network::Arch(arch), SpaceSpec::Darts(darts)) => {
            selected(&darts.supernet(options).map_err(ConfigError::from)?, arch)
        }
        (Network::Arch(arch), _) => selected(&plan.space.graph, arch),
        (Network::Genotype(_), _) => Err(SearchError::Searcher("genotypes exist only for DARTS cells".to_owned())),
    }
}

struct Run<'a> {
    training: &'a Training,
    loaders: &'a Loaders,
    folder: Folder,
    single: Single<'a>,
    of: Of,
    state: State,
    emit: &'a mut dyn FnMut(RunEvent),
}

impl Run<'_> {
    fn resume(&mut self, claim: Claim) -> Result<(), SearchError> {
        let Some(loaded) = checkpoint::load::<State>(self.folder.path(), &self.of)? else {
            return Ok(());
        };
        let fail = |name: String| SearchError::checkpoint(&loaded.path, format!("{name} is missing or does not fit"));
        self.single.restore_weights(|name| loaded.find(name)).map_err(|error| match error {
            Restore::Name(name) => fail(name),
            Restore::Torch(error) => error.into(),
        })?;
        let State { optimizer_steps, optimizer_updates, .. } = &loaded.state;
        let find = |name: &str| loaded.find(&format!("weights/{name}"));
        self.single.optimizer.restore(*optimizer_steps, optimizer_updates, find).map_err(fail)?;
        self.single.numerics.restore(loaded.state.loss_scale);
        self.state = State { epochs: loaded.epochs, ..loaded.state };
        if let Claim::Extended { from } = claim {
            self.state.extended_from.push(from);
        }
        if let Some(best) = &self.state.best {
            self.folder.publish(&best.weights)?;
        }
        self.folder.table(&self.state.rows)
    }

    fn epochs(&self) -> Epochs {
        let all = self.training.epochs;
        Epochs { all, warm_up: 0, after_warm_up: all, extended_from: self.state.extended_from.clone() }
    }

    fn train(&mut self) -> Result<(), SearchError> {
        let (first, end) = (self.state.epochs, self.training.epochs);
        let before = self.state.seconds;
        let steps = self.loaders.train_batches.steps as u64;
        let mut progress = Progress::new(u64::from(end - first) * steps);
        let mut train = Updates::from(
            &self.loaders.train,
            self.loaders.train_batches,
            u64::from(first) * steps,
            self.single.net.device(),
        );
        for epoch in first..end {
            let row = self
                .epoch(epoch, &mut train, &mut progress)
                .map_err(|e| at_epoch(e, epoch + 1, &self.folder.state_file()))?;
            self.state.rows.push(row);
            self.state.epochs = epoch + 1;
            self.state.seconds = before + progress.seconds();
            self.save()?;
        }
        Ok(())
    }

    fn epoch(&mut self, epoch: u32, train: &mut Updates, progress: &mut Progress) -> Result<Row, SearchError> {
        let steps = self.loaders.train_batches.steps;
        let mut means = Means::default();
        means.curve("learning_rate".to_owned(), self.single.optimizer.learning_rate());
        for step in 0..steps {
            let batch = train.next(self.emit)?;
            means.tally("train", self.single.step(epoch, step, &batch)?)?;
            if let Some(seconds_left) = progress.step() {
                let score = means.of("train")?;
                let (loss, error) = (score.loss, score.error());
                let (epoch, epochs, step, expected) = (epoch + 1, self.training.epochs, step + 1, Vec::new());
                let warming_up = false;
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
        if let Some(valid) = &self.loaders.valid {
            means.tally("valid", self.single.evaluate(valid, self.emit)?)?;
        }
        means.row(epoch + 1)
    }

    fn save(&mut self) -> Result<(), SearchError> {
        let mut tensors = self.single.weights();
        let epoch = self.state.epochs;
        let error = self.state.rows.last().and_then(|row| row.values.get("error/valid")).copied();
        let kept = self.state.best.as_ref();
        // Without validation images each epoch counts as the best.
        let is_best = kept.and_then(|best| best.error).zip(error).is_none_or(|(best, error)| error < best);
        if is_best {
            // A new file, so that a run that is killed now still has the file of its checkpoint.
            let weights = format!("checkpoint/best-{epoch:05}.safetensors");
            write_tensors(&self.folder.path().join(&weights), &tensors)?;
            self.state.best = Some(Best { epoch, error, weights });
        }
        let (steps, updates, own) = self.single.optimizer.state();
        tensors.extend(own.into_iter().map(|(name, tensor)| (format!("weights/{name}"), tensor)));
        (self.state.optimizer_steps, self.state.optimizer_updates) = (steps, updates);
        self.state.loss_scale = self.single.numerics.state();
        let best = self.state.best.as_ref().map(|best| best.weights.clone()).unwrap_or_default();
        checkpoint::save(self.folder.path(), &self.of, epoch, &tensors, &[&best], &self.state)?;
        if is_best {
            self.folder.publish(&best)?;
        }
        self.folder.epoch(&self.state.rows, &self.epochs(), self.emit)
    }

    /// Evaluates the best weights on the test images, which did not select anything.
    fn test(&mut self) -> Result<(Best, Score), SearchError> {
        let best = self.state.best.clone();
        let best = best.ok_or_else(|| SearchError::checkpoint(&self.folder.state_file(), "has no weights"))?;
        let path = self.folder.path().join(&best.weights);
        let tensors = read_tensors(&path)?;
        let find = |name: &str| tensors.get(name).map(Tensor::shallow_clone);
        self.single.restore_weights(find).map_err(|error| match error {
            Restore::Name(name) => SearchError::checkpoint(&path, format!("{name} is missing or does not fit")),
            Restore::Torch(error) => error.into(),
        })?;
        Ok((best, self.single.evaluate(&self.loaders.test, self.emit)?.score()?))
    }
}
