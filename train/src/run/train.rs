//! Training of one network from start, or checkpoint, to result, as NNabla-NAS' `Trainer`.

use nasprof_graph::arch::ArchFile;
use nasprof_graph::passes::{eliminate_dead_code, select};
use nasprof_graph::{Arch, Graph, Identity};
use nasprof_search::config::{ConfigError, Loaders, Network, Plan, Training};
use nasprof_search::events::{RunEvent, Step};
use nasprof_search::job::{Job, RunResult};
use nasprof_search::schedule::LearningRate;
use nasprof_search::winner::Latency;
use nasprof_spaces::SpaceSpec;
use nasprof_spaces::darts::TrainOptions;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::folder::Folder;
use super::images::{Updates, take};
use super::progress::{Means, Progress, Row, at_epoch};
use super::{checkpoint, device};
use crate::error::SearchError;
use crate::loss::{Score, cross_entropy, error_rate};
use crate::optimizer::Optimizer;
use crate::session::{Gradients, MiniBatch};
use crate::supernet::{Path, Phase, Supernet};

/// The numbers of a training's checkpoint.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    epochs: u32,
    optimizer_steps: u64,
    optimizer_updates: Vec<(String, u64)>,
    rows: Vec<Row>,
    seconds: f64,
    /// Smallest error so far, and that of the last epoch.
    best: Option<f64>,
    images: usize,
}

pub(super) fn train(plan: &Plan, job: &Job, emit: &mut dyn FnMut(RunEvent)) -> Result<RunResult, SearchError> {
    let experiment = &plan.experiment;
    let missing = |key: &str| ConfigError::Key { key: key.to_owned(), problem: "is missing".to_owned() };
    let loaders = plan.loaders.as_ref().ok_or_else(|| missing("data"))?;
    let training = experiment.training.as_ref().ok_or_else(|| missing("training"))?;
    let settings = experiment.optimizers.weights.as_ref().ok_or_else(|| missing("optimizers.weights"))?;
    let network = plan.network.as_ref().ok_or_else(|| missing("trainer"))?;
    // Before the folder becomes that of this experiment: it may name a device that is not there.
    let device = device(training)?;
    let folder = Folder::open(&job.folder, experiment, job.existing)?;
    let options = TrainOptions { drop_path: training.drop_path, auxiliary: training.auxiliary_weight > 0.0 };
    let net = Supernet::new(graph(plan, network, options)?, experiment.seed, device)?;
    let steps = loaders.train_batches.steps as u64;
    let base = settings.base_rate(training.batch_size);
    let rate = LearningRate::new(settings.schedule.clone(), base, steps, training.epochs);
    let named = net.parameters().all().iter().map(|p| (p.name.clone(), p.tensor.shallow_clone())).collect();
    let optimizer = Optimizer::new(settings.clone(), rate, named);
    let identity = net.graph().identity();
    let mut run = Run {
        seed: experiment.seed,
        training,
        loaders,
        folder,
        net,
        optimizer,
        identity,
        state: State::default(),
        emit,
    };
    run.resume()?;
    run.train()?;

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
        accuracy: 1.0 - run.state.best.unwrap_or(1.0),
        accuracy_of: format!("{} test images, the best of all epochs", run.state.images),
        quantities: Vec::new(),
        params: cost.params,
        macs: cost.macs,
        seconds: run.state.seconds,
        seed: experiment.seed,
    };
    if let Some(arch) = &result.arch {
        run.folder.arch(arch)?;
    }
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
        (Network::Genotype(_), _) => Err(SearchError::Searcher("a genotype is one of DARTS cells".to_owned())),
    }
}

struct Run<'a> {
    seed: u64,
    training: &'a Training,
    loaders: &'a Loaders,
    folder: Folder,
    net: Supernet,
    optimizer: Optimizer,
    identity: Identity,
    state: State,
    emit: &'a mut dyn FnMut(RunEvent),
}

/// A network without choices has one path.
fn only() -> Arch {
    Arch(Vec::new())
}

impl Run<'_> {
    fn resume(&mut self) -> Result<(), SearchError> {
        let Some(loaded) = checkpoint::load::<State>(&self.folder.checkpoint(), &self.identity)? else {
            return Ok(());
        };
        let fail = |name: String| SearchError::checkpoint(&loaded.path, format!("{name} is missing or does not fit"));
        let _guard = tch::no_grad_guard();
        for parameter in self.net.parameters().all() {
            let name = format!("net/{}", parameter.name);
            let saved = loaded.find(&name).filter(|t| t.size() == parameter.tensor.size()).ok_or_else(|| fail(name))?;
            parameter.tensor.shallow_clone().f_copy_(&saved)?;
        }
        let State { optimizer_steps, optimizer_updates, .. } = &loaded.state;
        let find = |name: &str| loaded.find(&format!("weights/{name}"));
        self.optimizer.restore(*optimizer_steps, optimizer_updates, find).map_err(fail)?;
        self.folder.log(&format!("resumed after {} epochs", loaded.state.epochs))?;
        self.state = loaded.state;
        self.folder.table(&self.state.rows)
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
                .map_err(|e| at_epoch(e, epoch, &self.folder.checkpoint()))?;
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
            means.score("train", self.step(&batch)?);
            if let Some(seconds_left) = progress.step() {
                let Score { loss, error, .. } = means.of("train");
                let (epoch, epochs, step, expected) = (epoch + 1, self.training.epochs, step + 1, Vec::new());
                (self.emit)(RunEvent::Step(Step { epoch, epochs, step, steps, loss, error, expected, seconds_left }));
            }
        }
        let score = self.evaluate()?;
        means.score("valid", score);
        self.state.images = score.images;
        Ok(means.row(epoch))
    }

    fn step(&mut self, batch: &[MiniBatch]) -> Result<Score, SearchError> {
        let total: usize = batch.iter().map(MiniBatch::len).sum();
        let mut gradients = Gradients::new();
        let mut score = Score::default();
        for mini in batch {
            let (output, parameters, one) = self.score(mini, Phase::Train)?;
            score = score.and(one);
            let share = output.f_mul_scalar(mini.len() as f64 / total as f64)?;
            for (i, gradient) in self.net.gradients(&share, &parameters)? {
                match gradients.get_mut(&i) {
                    Some(sum) => drop(tch::no_grad(|| sum.f_add_(&gradient))?),
                    None => drop(gradients.insert(i, gradient)),
                }
            }
        }
        self.optimizer.step(gradients.into_iter().collect())?;
        Ok(score)
    }

    /// All images count once, also those of a last smaller batch.
    fn evaluate(&mut self) -> Result<Score, SearchError> {
        let _guard = tch::no_grad_guard();
        let mut score = Score::default();
        for batch in self.loaders.valid.in_order() {
            let mini = take(&batch?, self.net.device(), self.emit)?;
            score = score.and(self.score(&mini, Phase::Evaluate)?.2);
        }
        Ok(score)
    }

    /// Loss with its graph, the parameters that took part, and the score by the main classifier.
    fn score(&self, mini: &MiniBatch, phase: Phase) -> Result<(Tensor, Vec<usize>, Score), SearchError> {
        let output = self.net.forward(&mini.images, Path::Selected(&only()), phase)?;
        let smoothing = self.training.label_smoothing;
        let mut loss = cross_entropy(&output.values[0], &mini.labels, smoothing)?;
        if let Some(auxiliary) = output.values.get(1).filter(|_| phase == Phase::Train) {
            let second = cross_entropy(auxiliary, &mini.labels, smoothing)?;
            loss = loss.f_add(&second.f_mul_scalar(self.training.auxiliary_weight)?)?;
        }
        let value = loss.f_double_value(&[])?;
        if !value.is_finite() {
            let learning_rate = self.optimizer.learning_rate();
            return Err(SearchError::Diverged { loss: value, learning_rate, epoch: None, checkpoint: None });
        }
        let error = tch::no_grad(|| error_rate(&output.values[0], &mini.labels))?;
        Ok((loss, output.parameters, Score { loss: value, error, images: mini.len() }))
    }

    fn save(&mut self) -> Result<(), SearchError> {
        let mut tensors: Vec<(String, Tensor)> = Vec::new();
        let weights = self.net.parameters().all().iter();
        tensors.extend(weights.map(|p| (format!("net/{}", p.name), p.tensor.shallow_clone())));
        let error = self.state.rows.last().and_then(|row| row.values.get("error/valid")).copied();
        if let Some(error) = error.filter(|e| self.state.best.is_none_or(|best| *e < best)) {
            self.state.best = Some(error);
            self.folder.weights(&tensors)?;
        }
        let (steps, updates, own) = self.optimizer.state();
        tensors.extend(own.into_iter().map(|(name, tensor)| (format!("weights/{name}"), tensor)));
        (self.state.optimizer_steps, self.state.optimizer_updates) = (steps, updates);
        checkpoint::save(&self.folder.checkpoint(), self.identity.digest(), self.state.epochs, &tensors, &self.state)?;
        self.folder.epoch(&self.state.rows, self.emit)
    }
}
