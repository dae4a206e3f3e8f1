//! Switches of supernets, each against the same search without it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nasprof_graph::Arch;
use nasprof_search::Costs;
use nasprof_search::config::{DartsOrder, Experiment, Plan, Quantity};
use nasprof_train::searchers::{Darts, Searcher, of};
use nasprof_train::supernet::{Path, Phase};
use nasprof_train::{Gradients, MiniBatch, SearchError, Session};
use tch::{Device, Kind, Tensor};

const SPACE: &str = "format_version = 1\nkind = \"mobilenet\"\ninput = [1, 28, 28]\nnum_classes = 10\n\
    width_mult = 0.25\nsettings = [[8, 2, 2], [16, 2, 2]]\ncandidates = [\"MB1 3x3\", \"MB3 3x3\"]\nskip_connect = true\n";

/// A search on 80 images.
struct Setting(tempfile::TempDir);

impl Setting {
    fn new() -> Self {
        let folder = nasprof_testkit::data_sets::fashion(80, 20);
        std::fs::write(folder.path().join("space.toml"), SPACE).unwrap();
        Self(folder)
    }

    fn darts(&self) -> String {
        let space = self.0.path().join("space.toml");
        nasprof_testkit::data_sets::bare_darts(space.to_str().unwrap(), self.0.path(), 0.1)
    }

    fn fairnas(&self, keys: &str) -> String {
        let architecture = "[optimizers.architecture]\nkind = \"sgd\"\nlearning_rate = 1.0\n";
        let searcher = format!("kind = \"fairnas\"\nsamples = 1\n{keys}\n");
        self.darts().replace(architecture, "").replace("kind = \"darts\"\n", &searcher)
    }
}

fn plan(text: &str) -> Plan {
    Plan::new(Experiment::parse(text, &[]).unwrap()).unwrap()
}

fn batch(plan: &Plan, number: u64) -> Vec<MiniBatch> {
    let batch = plan.loaders.as_ref().unwrap().train.shuffled(number).next().unwrap().unwrap();
    vec![MiniBatch::new(&batch, Device::Cpu).unwrap()]
}

fn weights(session: &Session<'_>) -> Vec<(String, Tensor)> {
    session.net().parameters().all().iter().map(|p| (p.name.clone(), p.tensor.detach().copy())).collect()
}

/// Names of the tensors that some steps of an experiment's searcher change.
fn changed(plan: &Plan, steps: u64) -> Vec<String> {
    let mut session = Session::new(plan, Device::Cpu).unwrap();
    let mut searcher = of(plan.experiment.searcher.as_ref().unwrap()).unwrap();
    searcher.on_start(&mut session).unwrap();
    let before = weights(&session);
    for step in 0..steps {
        searcher.train_step(&mut session, &batch(plan, step)).unwrap();
    }
    let pairs = before.into_iter().zip(weights(&session));
    pairs.filter(|(before, after)| before.1 != after.1).map(|(before, _)| before.0).collect()
}

/// A limit on parameters below every network that has `MB3 3x3` as its third block.
fn limit(plan: &Plan) -> f64 {
    let costs = Costs::new(&plan.space, Quantity::Params, None).unwrap();
    let least = |third: u16| {
        let mut least = f64::INFINITY;
        for number in 0..54_u16 {
            let selected = [number % 2, number / 2 % 3, third, number / 6 % 3];
            if plan.space.choices.iter().zip(selected).all(|(c, k)| usize::from(k) < c.candidates.len()) {
                least = least.min(costs.of(&Arch(selected.to_vec())).unwrap());
            }
        }
        least
    };
    assert!(least(0) < least(1));
    least(1) - 1.0
}

#[test]
fn paths_within_the_budget_leave_other_candidates_alone() {
    let setting = Setting::new();
    let upper = limit(&plan(&setting.fairnas("")));
    let reject = format!("[[regularizers]]\nkind = \"reject\"\nquantity = \"params\"\nupper = {upper}\n");
    let outside = |names: &[String]| names.iter().filter(|name| name.starts_with("blocks/2/MB3 3x3/")).count();
    let within = changed(&plan(&(setting.fairnas("paths = \"within-budget\"") + &reject)), 4);
    assert_eq!(outside(&within), 0, "{within:?}");
    assert!(within.iter().any(|name| name.starts_with("blocks/2/MB1 3x3/")));
    let fair = changed(&plan(&(setting.fairnas("") + &reject)), 4);
    assert!(outside(&fair) > 0, "a control: {fair:?}");
    let error = Experiment::parse(&setting.fairnas("paths = \"within-budget\""), &[]).map(Plan::new).unwrap();
    assert!(error.unwrap_err().to_string().contains("key `searcher.paths`: `within-budget` needs a regularizer"));
}

#[test]
fn the_sandwich_trains_the_largest_and_the_smallest_path_in_each_step() {
    let setting = Setting::new();
    let names = |changed: &[String], block: &str| changed.iter().filter(|name| name.starts_with(block)).count();
    let sandwich = changed(&plan(&setting.fairnas("sandwich = true\nnetworks_per_step = 2")), 1);
    for block in 0..4 {
        assert!(names(&sandwich, &format!("blocks/{block}/MB3 3x3/")) > 0, "of the largest path: {sandwich:?}");
    }
    // The smallest path has the smaller candidate where nothing can be skipped.
    assert!(names(&sandwich, "blocks/0/MB1 3x3/") > 0, "{sandwich:?}");
    assert_eq!(names(&sandwich, "blocks/1/MB1 3x3/"), 0, "of neither: {sandwich:?}");
    // The control: one fair path has one candidate of each block.
    let fair = changed(&plan(&setting.fairnas("networks_per_step = 1")), 1);
    assert!((0..4).any(|block| names(&fair, &format!("blocks/{block}/MB3 3x3/")) == 0), "{fair:?}");
}

/// The parameters that a path uses after some steps of an experiment's searcher, and the choice that its supernet is split by.
fn used(plan: &Plan, steps: u64, selected: [u16; 4]) -> (Vec<String>, Option<usize>) {
    let mut session = Session::new(plan, Device::Cpu).unwrap();
    let mut searcher = of(plan.experiment.searcher.as_ref().unwrap()).unwrap();
    searcher.on_start(&mut session).unwrap();
    for step in 0..steps {
        searcher.train_step(&mut session, &batch(plan, step)).unwrap();
    }
    let mini = &batch(plan, 0)[0];
    let loss = session.loss(Path::Selected(&Arch(selected.to_vec())), mini, Phase::Judge).unwrap();
    let all = session.net().parameters().all();
    (loss.parameters.into_iter().map(|i| all[i].name.clone()).collect(), session.net().split())
}

#[test]
fn a_split_supernet_has_weights_for_each_candidate_of_a_choice() {
    let setting = Setting::new();
    let few_shot = setting.fairnas("split_after = 1").replace("epochs = 1", "epochs = 2");
    let plan_of = |text: &str| plan(text);
    let split = plan_of(&few_shot);
    let steps = Session::new(&split, Device::Cpu).unwrap().steps_per_epoch();
    let (before, none) = used(&split, steps, [1; 4]);
    assert!(none.is_none() && before.iter().all(|name| !name.starts_with("split/")), "{before:?}");
    let (names, choice) = used(&split, steps + 1, [1; 4]);
    let choice = choice.unwrap();
    assert!(names.iter().all(|name| name.starts_with("split/1/")), "{names:?}");
    assert_eq!(names.len(), before.len(), "the same layers");
    // A path with the first candidate of that choice goes on with the first set, whatever else it selects.
    let mut first = [1; 4];
    first[choice] = 0;
    let (names, _) = used(&split, steps + 1, first);
    assert!(names.iter().all(|name| !name.starts_with("split/")), "{names:?}");
    // What one part learns the other does not: after the split their weights move apart.
    let moved = changed(&split, steps + 3);
    assert!(moved.iter().any(|name| name.starts_with("split/1/")), "{moved:?}");
    // The control: without the switch there is one set of weights.
    let (names, choice) = used(&plan_of(&setting.fairnas("").replace("epochs = 1", "epochs = 2")), steps + 1, [1; 4]);
    assert!(choice.is_none() && names == before);
    let error = Experiment::parse(&few_shot.replace("split_after = 1", "split_after = 2"), &[]).map(Plan::new).unwrap();
    assert!(error.unwrap_err().to_string().contains("key `searcher.split_after`: 2 is not below the 2 epochs"));
}

#[test]
fn progressive_shrinking_begins_with_the_largest_path() {
    let setting = Setting::new();
    let text = |keys: &str| setting.fairnas(keys).replace("epochs = 1", "epochs = 4");
    let smaller = |names: &[String]| names.iter().filter(|name| name.contains("/MB1 3x3/")).count();
    let shrinking = plan(&text("progressive_shrinking = true"));
    let epoch = Session::new(&shrinking, Device::Cpu).unwrap().steps_per_epoch();
    let first = changed(&shrinking, epoch);
    assert_eq!(smaller(&first), 0, "{first:?}");
    assert!((0..4).all(|block| first.iter().any(|name| name.starts_with(&format!("blocks/{block}/MB3 3x3/")))));
    // At the end everything is trained; expansions come last.
    assert_eq!(smaller(&changed(&shrinking, 3 * epoch)), 0);
    assert!(smaller(&changed(&shrinking, 4 * epoch)) > 0);
    // The control: without the switch all candidates are trained from the start.
    assert!(smaller(&changed(&plan(&text("")), epoch)) > 0);
    // With the sandwich rule the smaller paths learn from the largest, which stays the largest.
    let sandwich = changed(&plan(&text("progressive_shrinking = true\nsandwich = true")), epoch);
    assert_eq!(smaller(&sandwich), 0, "{sandwich:?}");
}

/// A path that learns from its own outputs has nothing to learn; from the labels it has.
#[test]
fn taught_paths_learn_from_outputs_in_place_of_labels() {
    let setting = Setting::new();
    let plan = plan(&setting.fairnas(""));
    let session = Session::new(&plan, Device::Cpu).unwrap();
    let (arch, batch) = (Arch(vec![1, 0, 1, 0]), batch(&plan, 0));
    let norm = |teacher: Option<&[Tensor]>| {
        let mut gradients = Gradients::new();
        let (_, outputs) = session.taught_gradients(Path::Selected(&arch), &batch, teacher, &mut gradients).unwrap();
        let sum = gradients.values().map(|g| g.square().sum(Kind::Double).double_value(&[])).sum::<f64>();
        (sum.sqrt(), outputs)
    };
    let (labels, outputs) = norm(None);
    let (own, _) = norm(Some(&outputs));
    assert!(labels > 1e-3 && own < 1e-4 * labels, "{own} {labels}");
    let mut plain = Gradients::new();
    session.weight_gradients(Path::Selected(&arch), &batch, &mut plain).unwrap();
    let sum = plain.values().map(|g| g.square().sum(Kind::Double).double_value(&[])).sum::<f64>();
    assert!((sum.sqrt() - labels).abs() < 1e-4 * labels, "without a teacher it is a step as any");
}

/// With running statistics of its own, a path judges an image in the same way alone and beside others.
#[test]
fn a_recalibrated_path_is_judged_independently_of_the_batch() {
    let setting = Setting::new();
    let plan = plan(&setting.fairnas("recalibrate_batches = 3"));
    let mut session = Session::new(&plan, Device::Cpu).unwrap();
    let mut searcher = of(plan.experiment.searcher.as_ref().unwrap()).unwrap();
    searcher.on_start(&mut session).unwrap();
    for step in 0..4 {
        searcher.train_step(&mut session, &batch(&plan, step)).unwrap();
    }
    assert_eq!(session.recalibrate_batches(), 3);
    let (session, arch, mini) = (session, Arch(vec![1, 0, 1, 1]), batch(&plan, 9).remove(0));
    let mean = |parts: i64, phase: Phase| {
        let size = mini.len() as i64 / parts;
        let part = |i: i64| {
            let (images, labels) = (mini.images.narrow(0, i * size, size), mini.labels.narrow(0, i * size, size));
            session.loss(Path::Selected(&arch), &MiniBatch { images, labels }, phase).unwrap().loss.double_value(&[])
        };
        (0..parts).map(part).sum::<f64>() / parts as f64
    };
    let before = weights(&session);
    let is_running = |name: &str| name.ends_with("/mean") || name.ends_with("/variance");
    let (whole, alone) = session
        .keeping_statistics(|| {
            for number in 0..session.recalibrate_batches() {
                session.recalibrate(&arch, &batch(&plan, number.into())[0], number)?;
            }
            let moved = before.iter().zip(weights(&session)).filter(|(before, after)| before.1 != after.1);
            let moved: Vec<&str> = moved.map(|(before, _)| before.0.as_str()).collect();
            assert!(!moved.is_empty() && moved.iter().all(|name| is_running(name)), "no weight: {moved:?}");
            // Of the layers on the path only.
            assert!(moved.iter().all(|name| !name.contains("blocks/0/MB1 3x3")), "{moved:?}");
            Ok((mean(1, Phase::Evaluate), mean(mini.len() as i64, Phase::Evaluate)))
        })
        .unwrap();
    assert!((whole - alone).abs() < 1e-5 * whole, "{whole} {alone}");
    // The control: with the statistics of the batch, the other images of the batch count.
    let (whole, alone) = (mean(1, Phase::Judge), mean(mini.len() as i64, Phase::Judge));
    assert!((whole - alone).abs() > 1e-2 * whole, "{whole} {alone}");
    assert!(before == weights(&session), "the supernet is as it was");
    // After an error as well.
    let failed = session.keeping_statistics::<()>(|| {
        session.recalibrate(&arch, &mini, 0)?;
        Err(SearchError::Searcher("an error".to_owned()))
    });
    assert!(failed.is_err() && before == weights(&session));
    let error = |count| {
        let text = setting.fairnas(&format!("recalibrate_batches = {count}"));
        Plan::new(Experiment::parse(&text, &[]).unwrap()).err().map(|error| error.to_string())
    };
    assert_eq!(error(10_000), None);
    assert!(error(10_001).unwrap().starts_with("key `searcher.recalibrate_batches`: 10001 is not in 0 to 10000"));
}

fn alphas(session: &Session<'_>) -> Vec<f64> {
    session.distribution().alphas().iter().flat_map(|a| a.iter::<f64>().unwrap().collect::<Vec<_>>()).collect()
}

/// Sets the last candidate of each choice, which is the skip connection where there is one, ahead of all others.
fn prefer_the_last(session: &Session<'_>) {
    for alpha in session.distribution().alphas() {
        let count = alpha.size()[0];
        let values: Vec<f64> = (0..count).map(|i| if i + 1 == count { 5.0 } else { 0.0 }).collect();
        alpha.detach().copy_(&Tensor::from_slice(&values));
    }
}

/// Two of the four blocks can be skipped. They have to be for ten epochs: at the start, noise is enough for that.
#[test]
fn darts_keeps_the_architecture_once_skip_connections_last() {
    let setting = Setting::new();
    let plan = plan(&setting.darts());
    let batch = batch(&plan, 0);
    // Whether the next step changes nothing after so many epochs, of which one may have no skip connection at its end.
    let is_kept = |mut darts: Darts, epochs: u32, without: Option<u32>| {
        let mut session = Session::new(&plan, Device::Cpu).unwrap();
        for epoch in 1..=epochs {
            prefer_the_last(&session);
            let found = darts.arch_step(&mut session, &batch, &batch).unwrap();
            let skips = found.curves.first().map(|(name, skips)| (name.as_str(), *skips));
            assert!(skips.is_none_or(|skips| skips == ("skip_connections", 2.0)), "{skips:?}");
            if without == Some(epoch) {
                session.distribution().alphas().iter().for_each(|alpha| drop(alpha.detach().neg_()));
            }
            darts.on_epoch_end(&mut session).unwrap();
            // A run that is resumed counts on.
            let state = darts.state();
            darts.restore(&state).unwrap();
        }
        prefer_the_last(&session);
        let before = alphas(&session);
        let curves = darts.arch_step(&mut session, &batch, &batch).unwrap().curves;
        assert!(before != alphas(&session) || curves.is_empty(), "{curves:?}");
        before == alphas(&session)
    };
    let darts = || Darts::new(DartsOrder::First, false);
    assert!(is_kept(darts().with_stop(2), 10, None));
    assert!(!is_kept(darts().with_stop(2), 1, None), "noise of the first epoch");
    assert!(!is_kept(darts().with_stop(2), 9, None));
    assert!(!is_kept(darts().with_stop(2), 12, Some(5)), "not in a row");
    assert!(is_kept(darts().with_stop(2), 15, Some(5)));
    assert!(!is_kept(darts().with_stop(3), 12, None), "a control: there are not three");
    assert!(!is_kept(darts(), 12, None), "a control: without the switch");
    let text = setting.darts().replace("kind = \"darts\"", "kind = \"darts\"\nstop_at_skips = 2");
    let error = Plan::new(Experiment::parse(&text, &[]).unwrap()).unwrap_err().to_string();
    assert!(error.starts_with("key `searcher.stop_at_skips`: never stops"), "{error}");
}

#[test]
fn dropped_skip_connections_take_no_part_in_a_step() {
    let setting = Setting::new();
    let plan = plan(&setting.darts());
    let after = |darts: fn(Darts) -> Darts| {
        let mut session = Session::new(&plan, Device::Cpu).unwrap();
        prefer_the_last(&session);
        let mut darts = darts(Darts::new(DartsOrder::First, false));
        for step in 0..3 {
            darts.train_step(&mut session, &batch(&plan, step)).unwrap();
        }
        weights(&session)
    };
    let plain = after(|darts| darts);
    let dropped = after(|darts| darts.with_operation_dropout(0.5));
    assert!(plain == after(|darts| darts.with_operation_dropout(0.0)), "a control");
    assert!(dropped == after(|darts| darts.with_operation_dropout(0.5)), "the same draws");
    assert!(plain != dropped);
    // Alphas, which get no gradient in a step of the weights, are as they were; judging drops nothing.
    let session = Session::new(&plan, Device::Cpu).unwrap();
    let mini = &batch(&plan, 0)[0];
    let loss = || session.loss(Path::Selected(&Arch(vec![0; 4])), mini, Phase::Judge).unwrap().tally.score().unwrap();
    assert_eq!(loss(), loss());
}
