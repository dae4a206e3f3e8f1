//! Training of one network from start, or checkpoint, to result, as NNabla-NAS' `Trainer`.

use nasprof_graph::arch::ArchFile;
use nasprof_graph::passes::{eliminate_dead_code, select};
use nasprof_graph::{Arch, Graph};
use nasprof_search::config::{ConfigError, Layout, Loaders, Network, Plan, Training};
use nasprof_search::data::Loader;
use nasprof_search::events::{RunEvent, Step};
use nasprof_search::folder::{Claim, finished};
use nasprof_search::job::{Epochs, Job, RunResult, Trained};
use nasprof_search::schedule::LearningRate;
use nasprof_search::winner::Latency;
use nasprof_spaces::SpaceSpec;
use nasprof_spaces::darts::TrainOptions;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::checkpoint;
use super::checkpoint::{Of, read_tensors, write_tensors};
use super::compute::{check_replay, computed_on, place};
use super::folder::Folder;
use super::images::{Updates, take};
use super::progress::{Means, Progress, Row, at_epoch};
use crate::batch::{Gradients, MiniBatch, add};
use crate::error::SearchError;
use crate::loss::{Score, Tally, cross_entropy};
use crate::numerics::Numerics;
use crate::optimizer::Optimizer;
use crate::replay::{Pass, Replayed};
use crate::scale::LossScale;
use crate::supernet::{Path, Phase, Supernet};

/// The numbers of a training's checkpoint.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    /// Epochs done; the checkpoint has them.
    #[serde(skip)]
    epochs: u32,
    /// The values of `training.epochs` that the run was finished with before it was extended.
    extended_from: Vec<u32>,
    optimizer_steps: u64,
    optimizer_updates: Vec<(String, u64)>,
    #[serde(default)]
    loss_scale: Option<LossScale>,
    rows: Vec<Row>,
    seconds: f64,
    /// Where its epochs were computed, in words, each place once.
    #[serde(default)]
    computed_on: Vec<String>,
    /// The epoch whose weights are kept so far.
    best: Option<Best>,
}

/// The epoch with the smallest error on the validation images, or without these the last one.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Best {
    /// Counted from 1.
    epoch: u32,
    /// Share of the validation images that were classified wrongly.
    error: Option<f64>,
    /// Its weights, below the run folder.
    weights: String,
}

pub(super) fn train(plan: &Plan, job: &Job, emit: &mut dyn FnMut(RunEvent)) -> Result<RunResult, SearchError> {
    let experiment = &plan.experiment;
    let missing = |key: &str| ConfigError::Key { key: key.to_owned(), problem: "is missing".to_owned() };
    let loaders = plan.loaders.as_ref().ok_or_else(|| missing("data"))?;
    let training = experiment.training.as_ref().ok_or_else(|| missing("training"))?;
    let settings = experiment.optimizers.weights.as_ref().ok_or_else(|| missing("optimizers.weights"))?;
    let network = plan.network.as_ref().ok_or_else(|| missing("trainer"))?;
    check_replay(experiment)?;
    // Before the folder becomes that of this experiment: it may name a device that is not there.
    let place = place(training)?;
    let (folder, claim) = Folder::open(&job.folder, experiment, job.existing)?;
    if let Claim::Resumed { finished: true, .. } = claim
        && let Some(result) = finished::<RunResult>(folder.path())?
    {
        // The test images were used for it; they are not used again.
        return Ok(result);
    }
    let options = TrainOptions { drop_path: training.drop_path, auxiliary: training.auxiliary_weight > 0.0 };
    let mut net = Supernet::new(graph(plan, network, options)?, experiment.seed, place.device)?;
    if training.layout == Layout::ChannelsLast {
        net = net.with_channels_last()?;
    }
    let numerics = Numerics::of(training, place.device);
    let graphs = training.cuda_graphs && place.device.is_cuda();
    let replayed = graphs.then(|| Replayed::on(place.device)).transpose()?;
    let steps = loaders.train_batches.steps as u64;
    let base = settings.base_rate(training.batch_size);
    let rate = LearningRate::new(settings.schedule.clone(), base, steps, training.epochs);
    let named = net.parameters().all().iter().map(|p| (p.name.clone(), p.tensor.shallow_clone())).collect();
    let optimizer = Optimizer::new(settings.clone(), rate, named);
    let of = Of { space: net.graph().identity(), data: loaders.digest(), experiment: experiment.resolved_toml() };
    let mut run = Run {
        seed: experiment.seed,
        training,
        loaders,
        folder,
        net,
        optimizer,
        numerics,
        replayed,
        of,
        state: State::default(),
        emit,
    };
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
        accuracy: 1.0 - score.error,
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
        quantities: Vec::new(),
        params: cost.params,
        macs: cost.macs,
        seconds: run.state.seconds,
        seed: experiment.seed,
    };
    run.folder.result(&result)?;
    Ok(result)
}

/// The network, with what training adds to DARTS cells.
fn graph(plan: &Plan, network: &Network, options: TrainOptions) -> Result<Graph, SearchError> {
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
    seed: u64,
    training: &'a Training,
    loaders: &'a Loaders,
    folder: Folder,
    net: Supernet,
    optimizer: Optimizer,
    numerics: Numerics,
    replayed: Option<Replayed>,
    of: Of,
    state: State,
    emit: &'a mut dyn FnMut(RunEvent),
}

/// A network without choices has one path.
fn only() -> Arch {
    Arch(Vec::new())
}

impl Run<'_> {
    fn resume(&mut self, claim: Claim) -> Result<(), SearchError> {
        let Some(loaded) = checkpoint::load::<State>(self.folder.path(), &self.of)? else {
            return Ok(());
        };
        let fail = |name: String| SearchError::checkpoint(&loaded.path, format!("{name} is missing or does not fit"));
        self.restore_weights(|name| loaded.find(name)).map_err(|error| match error {
            Restore::Name(name) => fail(name),
            Restore::Torch(error) => error.into(),
        })?;
        let State { optimizer_steps, optimizer_updates, .. } = &loaded.state;
        let find = |name: &str| loaded.find(&format!("weights/{name}"));
        self.optimizer.restore(*optimizer_steps, optimizer_updates, find).map_err(fail)?;
        self.numerics.restore(loaded.state.loss_scale);
        self.state = State { epochs: loaded.epochs, ..loaded.state };
        if let Claim::Extended { from } = claim {
            self.state.extended_from.push(from);
        }
        if let Some(best) = &self.state.best {
            self.folder.publish(&best.weights)?;
        }
        self.folder.table(&self.state.rows)
    }

    fn restore_weights(&self, find: impl Fn(&str) -> Option<Tensor>) -> Result<(), Restore> {
        let _guard = tch::no_grad_guard();
        for parameter in self.net.parameters().all() {
            let name = format!("net/{}", parameter.name);
            let saved = find(&name).filter(|t| t.size() == parameter.tensor.size()).ok_or(Restore::Name(name))?;
            parameter.tensor.shallow_clone().f_copy_(&saved).map_err(Restore::Torch)?;
        }
        Ok(())
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
        let mut train =
            Updates::from(&self.loaders.train, self.loaders.train_batches, u64::from(first) * steps, self.net.device());
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
        means.curve("learning_rate".to_owned(), self.optimizer.learning_rate());
        for step in 0..steps {
            // Dropout draws from libtorch's generator; seeded by the step it needs no place in a checkpoint.
            tch::manual_seed((self.seed as i64) ^ (i64::from(epoch) << 32 | step as i64));
            let batch = train.next(self.emit)?;
            means.tally("train", self.step(&batch)?)?;
            if let Some(seconds_left) = progress.step() {
                let Score { loss, error, .. } = means.of("train")?;
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
            means.tally("valid", self.evaluate(valid)?)?;
        }
        means.row(epoch + 1)
    }

    fn step(&mut self, batch: &[MiniBatch]) -> Result<Tally, SearchError> {
        if let Some(replayed) = self.replayed.take_if(|replayed| replayed.fits(batch, &[])) {
            return self.replayed_step(replayed, batch);
        }
        let total: usize = batch.iter().map(MiniBatch::len).sum();
        let mut gradients = Gradients::new();
        let mut tally = Tally::default();
        for mini in batch {
            let (loss, parameters, one) = self.loss(mini, Phase::Train)?;
            tally = tally.and(one);
            let share = self.numerics.scaled(&loss, mini.len() as f64 / total as f64)?;
            add(&mut gradients, self.net.gradients(&share, &parameters)?)?;
        }
        let learning_rate = self.optimizer.learning_rate();
        let finite = self.optimizer.step_scaled(gradients.into_iter().collect(), self.numerics.loss_scale())?;
        self.numerics.learn(finite, learning_rate)?;
        Ok(tally)
    }

    fn replayed_step(&mut self, mut replayed: Replayed, batch: &[MiniBatch]) -> Result<Tally, SearchError> {
        let Self { net, numerics, training, optimizer, .. } = self;
        let pass = |mini: &MiniBatch, _: &[Tensor]| loss(net, numerics, training, mini, Phase::Train);
        let tally = replayed.step(net, optimizer, batch, &[], &pass);
        self.replayed = Some(replayed);
        tally
    }

    /// All images count once, also those of a last smaller batch.
    fn evaluate(&mut self, loader: &Loader) -> Result<Tally, SearchError> {
        let _guard = tch::no_grad_guard();
        let mut tally = Tally::default();
        for batch in loader.in_order() {
            let mini = take(&batch?, self.net.device(), self.emit)?;
            tally = tally.and(self.loss(&mini, Phase::Evaluate)?.2);
            if tally.is_full() {
                tally.score()?;
            }
        }
        Ok(tally)
    }

    /// Loss with its graph, the parameters that took part, and how the main classifier did.
    fn loss(&self, mini: &MiniBatch, phase: Phase) -> Result<(Tensor, Vec<usize>, Tally), SearchError> {
        let (loss, logits, parameters) = loss(&self.net, &self.numerics, self.training, mini, phase)?;
        let tally = Tally::of(&loss, &logits, &mini.labels, self.optimizer.learning_rate())?;
        Ok((loss, parameters, tally))
    }

    fn save(&mut self) -> Result<(), SearchError> {
        let mut tensors: Vec<(String, Tensor)> = Vec::new();
        let weights = self.net.parameters().all().iter();
        tensors.extend(weights.map(|p| (format!("net/{}", p.name), p.tensor.shallow_clone())));
        let epoch = self.state.epochs;
        let error = self.state.rows.last().and_then(|row| row.values.get("error/valid")).copied();
        let kept = self.state.best.as_ref();
        // Without validation images nothing is chosen.
        let is_best = kept.and_then(|best| best.error).zip(error).is_none_or(|(best, error)| error < best);
        if is_best {
            // A file of its own, so that a run that is killed now still has that of its checkpoint.
            let weights = format!("checkpoint/best-{epoch:05}.safetensors");
            write_tensors(&self.folder.path().join(&weights), &tensors)?;
            self.state.best = Some(Best { epoch, error, weights });
        }
        let (steps, updates, own) = self.optimizer.state();
        tensors.extend(own.into_iter().map(|(name, tensor)| (format!("weights/{name}"), tensor)));
        (self.state.optimizer_steps, self.state.optimizer_updates) = (steps, updates);
        self.state.loss_scale = self.numerics.state();
        let best = self.state.best.as_ref().map(|best| best.weights.clone()).unwrap_or_default();
        checkpoint::save(self.folder.path(), &self.of, epoch, &tensors, &[&best], &self.state)?;
        if is_best {
            self.folder.publish(&best)?;
        }
        self.folder.epoch(&self.state.rows, &self.epochs(), self.emit)
    }

    /// The kept weights on the test images, which nothing was chosen by.
    fn test(&mut self) -> Result<(Best, Score), SearchError> {
        let best = self.state.best.clone();
        let best = best.ok_or_else(|| SearchError::checkpoint(&self.folder.state_file(), "has no weights"))?;
        let path = self.folder.path().join(&best.weights);
        let tensors = read_tensors(&path)?;
        let find = |name: &str| tensors.get(name).map(Tensor::shallow_clone);
        self.restore_weights(find).map_err(|error| match error {
            Restore::Name(name) => SearchError::checkpoint(&path, format!("{name} is missing or does not fit")),
            Restore::Torch(error) => error.into(),
        })?;
        let loaders = self.loaders;
        Ok((best, self.evaluate(&loaders.test)?.score()?))
    }
}

/// Loss of a mini-batch with its graph, the logits of the main classifier, and the parameters that took part.
fn loss(
    net: &Supernet,
    numerics: &Numerics,
    training: &Training,
    mini: &MiniBatch,
    phase: Phase,
) -> Result<Pass, SearchError> {
    let _casts = numerics.casts();
    let output = net.forward(&mini.images, Path::Selected(&only()), phase)?;
    let smoothing = training.label_smoothing;
    let mut loss = cross_entropy(&output.values[0], &mini.labels, smoothing)?;
    if let Some(auxiliary) = output.values.get(1).filter(|_| phase == Phase::Train) {
        let second = cross_entropy(auxiliary, &mini.labels, smoothing)?;
        loss = loss.f_add(&second.f_mul_scalar(training.auxiliary_weight)?)?;
    }
    Ok((loss, output.values[0].shallow_clone(), output.parameters))
}

/// Why weights cannot be put back.
enum Restore {
    /// A tensor that is missing or of another form.
    Name(String),
    Torch(tch::TchError),
}
