//! Evolution and independent draws against all architectures of a space that is small enough to try them.
use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::fs;
use std::path::Path;

use nasprof_base::text::significant;
use nasprof_graph::Arch;
use nasprof_search::config::{Evolution, Experiment, LoadedRegularizer, Quantity, Regularizer, RegularizerKind};
use nasprof_search::evolution::{
    Budget, EvolutionError, Outcome, RunError, SampledResult, Sampling, Scorer, evolve, run, sample,
};
use nasprof_search::folder::{FolderError, lock};
use nasprof_search::job::Existing;
use nasprof_search::{Costs, Extremum, Optimality};
use nasprof_spaces::{Space, SpaceSpec};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SPACE: &str = r#"
format_version = 1
kind = "mobilenet"
input = [1, 28, 28]
num_classes = 10
width_mult = 0.5
settings = [[16, 3, 2], [24, 3, 2]]
candidates = ["MB3 3x3", "MB6 3x3", "MB3 5x5", "MB6 5x5"]
skip_connect = true
"#;

fn space() -> Space {
    SpaceSpec::parse(SPACE).unwrap().build("small").unwrap()
}

fn all(space: &Space) -> Vec<Arch> {
    let mut archs = vec![Vec::new()];
    for choice in &space.choices {
        let extend = |arch: &Vec<u16>| {
            (0..choice.candidates.len() as u16).map(|c| [&arch[..], &[c]].concat()).collect::<Vec<_>>()
        };
        archs = archs.iter().flat_map(extend).collect();
    }
    archs.into_iter().map(Arch).collect()
}

fn reject(quantity: Quantity, upper: f64) -> [LoadedRegularizer; 1] {
    let kind = RegularizerKind::Reject;
    let settings = Regularizer {
        kind,
        quantity,
        upper: Some(upper),
        lower: None,
        target: None,
        weight: None,
        lut: None,
        timing: None,
    };
    [LoadedRegularizer { settings, lut: None }]
}

/// An accuracy in which neighbouring choices depend on each other.
struct Table(Vec<Vec<f64>>);

impl Table {
    fn new(seed: u64, space: &Space) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        Self(space.choices.iter().map(|_| (0..25).map(|_| rng.random()).collect()).collect())
    }

    fn score(&self, arch: &Arch) -> f64 {
        let next = |i: usize| arch.0[(i + 1) % arch.0.len()];
        arch.0.iter().enumerate().map(|(i, &c)| self.0[i][usize::from(c) * 5 + usize::from(next(i))]).sum()
    }
}

const SETTINGS: Evolution = Evolution { population: 40, generations: 19, parents: 0.25, mutated: 0.5, mutation: 0.1 };

#[test]
fn evolution_comes_near_the_best_and_beats_as_many_draws() {
    let space = space();
    let costs = Costs::new(&space, Quantity::Params, None).unwrap();
    let archs = all(&space);
    let mut params: Vec<f64> = archs.iter().map(|a| costs.of(a).unwrap()).collect();
    params.sort_by(f64::total_cmp);
    let regularizers = reject(Quantity::Params, params[params.len() / 3]);
    let budget = Budget::new(&space, &regularizers, |_| 1.0).unwrap();
    let (mut evolved, mut sampled) = (0.0, 0.0);
    for seed in 0..10 {
        let table = Table::new(seed, &space);
        let within = archs.iter().filter(|a| budget.values(a).unwrap().is_some());
        let best = within.map(|a| table.score(a)).fold(f64::MIN, f64::max);
        let mut scorer = |arch: &Arch| Ok(table.score(arch));
        let evolution = evolve(&space, &budget, &SETTINGS, seed, &mut scorer).unwrap();
        let random = sample(&space, &budget, evolution.evaluated as u32, seed, &mut scorer).unwrap();
        assert_eq!(random.evaluated, evolution.evaluated);
        assert!(evolution.best.score <= best && random.best.score <= best);
        evolved += evolution.best.score / best / 10.0;
        sampled += random.best.score / best / 10.0;
    }
    assert!(evolved > 0.99, "evolution reaches {evolved} of the best");
    assert!(sampled < evolved - 0.01, "draws reach {sampled}, evolution {evolved}");
}

#[test]
fn nothing_out_of_the_budget_is_ever_scored() {
    let space = space();
    let costs = Costs::new(&space, Quantity::Macs, None).unwrap();
    let limit = costs.of(&Arch(vec![1; space.choices.len()])).unwrap();
    let regularizers = reject(Quantity::Macs, limit);
    let highest = |budget: &Budget<'_>| {
        let mut highest = 0.0_f64;
        let mut scorer = |arch: &Arch| -> Result<f64, Box<dyn Error + Send + Sync>> {
            highest = highest.max(costs.of(arch)?);
            Ok(costs.of(arch)?)
        };
        evolve(&space, budget, &SETTINGS, 1, &mut scorer).unwrap();
        highest
    };
    assert!(highest(&Budget::new(&space, &regularizers, |_| 1.0).unwrap()) <= limit);
    assert!(highest(&Budget::default()) > limit);
}

#[test]
fn every_architecture_is_scored_once_and_a_seed_gives_the_same_again() {
    let space = space();
    let table = Table::new(3, &space);
    let regularizers = reject(Quantity::Params, 1e9);
    let budget = Budget::new(&space, &regularizers, |_| 1.0).unwrap();
    let search = |seed: u64| -> (Outcome, HashMap<Arch, u32>) {
        let mut times: HashMap<Arch, u32> = HashMap::new();
        let mut scorer = |arch: &Arch| -> Result<f64, Box<dyn Error + Send + Sync>> {
            *times.entry(arch.clone()).or_default() += 1;
            Ok(table.score(arch))
        };
        let outcome = evolve(&space, &budget, &SETTINGS, seed, &mut scorer).unwrap();
        (outcome, times)
    };
    let (outcome, times) = search(5);
    assert!(times.values().all(|&n| n == 1));
    assert_eq!((times.len(), outcome.evaluated), (800, 800));
    assert_eq!(search(5).0, outcome);
    assert_ne!(search(6).0.sampled, outcome.sampled);
    let archs: HashSet<&Arch> = outcome.front.iter().map(|j| &j.arch).collect();
    assert!(archs.contains(&outcome.best.arch) && outcome.front.len() > 3);
}

/// A small space is exhausted, however many are wanted, and not searched on and on.
#[test]
fn draws_end_when_everything_is_known() {
    let space = space();
    let all = all(&space).len();
    let mut scorer = |_: &Arch| Ok(1.0);
    let outcome = sample(&space, &Budget::default(), 1_000_000, 0, &mut scorer).unwrap();
    assert_eq!(outcome.evaluated, all);
    assert!(outcome.sampled < 100 * all as u64, "{} draws for {all}", outcome.sampled);
}

/// Counts what it is told, and ends the search after so many draws.
struct Ending {
    after: u64,
    told: Vec<Sampling>,
}

impl Scorer for Ending {
    fn score(&mut self, _: &Arch) -> Result<f64, Box<dyn Error + Send + Sync>> {
        Ok(1.0)
    }

    fn goes_on(&mut self, sampling: &Sampling) -> bool {
        self.told.push(*sampling);
        sampling.sampled < self.after
    }
}

#[test]
fn a_search_tells_how_far_it_is_and_can_be_ended() {
    let space = space();
    let mut ending = Ending { after: 30, told: Vec::new() };
    let error = sample(&space, &Budget::default(), 500, 0, &mut ending).unwrap_err();
    assert!(matches!(error, EvolutionError::Interrupted { evaluated } if evaluated < 30 && evaluated > 0), "{error}");
    assert_eq!(ending.told.len(), 30);
    assert!(ending.told.iter().all(|sampling| sampling.wanted == 500));
    let mut patient = Ending { after: u64::MAX, told: Vec::new() };
    let outcome = evolve(&space, &Budget::default(), &SETTINGS, 0, &mut patient).unwrap();
    assert_eq!((patient.told.len() as u64, patient.told[0].wanted), (outcome.sampled, 800));
}

/// Without generations, evolution is the same as independent draws.
#[test]
fn generations_are_what_makes_the_difference() {
    let space = space();
    let table = Table::new(4, &space);
    let mut scorer = |arch: &Arch| Ok(table.score(arch));
    let settings = Evolution { generations: 0, ..SETTINGS };
    let evolved = evolve(&space, &Budget::default(), &settings, 2, &mut scorer).unwrap();
    assert_eq!(evolved, sample(&space, &Budget::default(), 40, 2, &mut scorer).unwrap());
}

#[test]
fn a_budget_that_hardly_any_draw_meets() {
    let space = space();
    let costs = Costs::new(&space, Quantity::Params, None).unwrap();
    let Extremum { arch: cheapest, value: least, optimality } = costs.minimum(&space).unwrap();
    assert!(optimality == Optimality::Exact && all(&space).iter().all(|a| costs.of(a).unwrap() >= least));
    let regularizers = reject(Quantity::Params, least);
    let budget = Budget::new(&space, &regularizers, |_| 1.0).unwrap();
    let settings = Evolution { population: 2, ..SETTINGS };
    let mut scorer = |_: &Arch| Ok(1.0);
    let outcome = evolve(&space, &budget, &settings, 0, &mut scorer).unwrap();
    assert_eq!(outcome.best.arch, cheapest);
    let below = reject(Quantity::Params, least - 1.0);
    let below = Budget::new(&space, &below, |_| 1.0).unwrap();
    for result in [evolve(&space, &below, &settings, 0, &mut scorer), sample(&space, &below, 3, 0, &mut scorer)] {
        assert!(matches!(result, Err(EvolutionError::NothingFound { sampled }) if sampled >= 2000));
    }
}

#[test]
fn a_scorer_that_fails_or_gives_no_number_ends_the_search() {
    let space = space();
    let budget = Budget::default();
    let failing = &mut |_: &Arch| Err("the device is gone".into());
    let error = evolve(&space, &budget, &SETTINGS, 0, failing).unwrap_err();
    assert_eq!(error.to_string(), "cannot score an architecture: the device is gone");
    for number in [f64::NAN, f64::INFINITY] {
        let error = sample(&space, &budget, 3, 0, &mut |_: &Arch| Ok(number)).unwrap_err();
        assert!(matches!(error, EvolutionError::NoNumber(_)));
    }
}

fn experiment(folder: &Path, kind: &str) -> Experiment {
    fs::write(folder.join("small.toml"), SPACE).unwrap();
    let text = format!(
        "format_version = 1\nspace = {:?}\nseed = 4\n\
         [[regularizers]]\nkind = \"reject\"\nquantity = \"params\"\nupper = 60000\n\
         [searcher]\nkind = \"{kind}\"\nscore = \"macs\"\n",
        folder.join("small.toml").display().to_string()
    );
    Experiment::parse(&text, &[]).unwrap()
}

#[test]
fn a_run_leaves_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    for kind in ["evolution", "random"] {
        let out = out.join(kind);
        let found = run(experiment(folder.path(), kind), &out, Existing::Refuse, 1.0, &mut |_| true).unwrap();
        assert!(found.quantities[0].estimated <= 60_000.0 && found.params == found.quantities[0].estimated as u64);
        assert_eq!((found.score.as_str(), found.macs as f64), ("macs", found.value));
        let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
        assert_eq!(serde_json::from_str::<SampledResult>(&read("result.json")).unwrap(), found);
        assert_eq!(serde_json::from_str::<nasprof_graph::arch::ArchFile>(&read("arch.json")).unwrap(), found.arch);
        assert_eq!(Experiment::parse(&read("config.toml"), &[]).unwrap(), experiment(folder.path(), kind));
        let pareto = read("pareto.csv");
        let mut table = csv::Reader::from_reader(pareto.as_bytes());
        assert_eq!(table.headers().unwrap(), vec!["params", "score_macs", "arch"]);
        let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), found.front);
        assert_eq!(rows.last().unwrap()[2], serde_json::to_string(&found.arch).unwrap());
        // The picture has a mark for each, of which one is the winner's, and is on the list of checksums.
        let picture = read("pareto.svg");
        assert_eq!(picture.matches("class=\"mark").count(), found.front, "{picture}");
        assert_eq!((picture.matches("mark c1").count(), picture.matches(">winner<").count()), (1, 1));
        assert!(picture.contains(">parameters<") && picture.contains(&format!("MACs: {}", significant(found.value))));
        assert!(read("run.sha256").contains("  pareto.svg\n"));

        let error = run(experiment(folder.path(), kind), &out, Existing::Refuse, 1.0, &mut |_| true).unwrap_err();
        assert!(matches!(&error, RunError::Folder { .. }), "{error}");
        let mut again = run(experiment(folder.path(), kind), &out, Existing::Resume, 1.0, &mut |_| true).unwrap();
        again.seconds = found.seconds;
        assert_eq!((again, read("pareto.csv")), (found, pareto));
        let other = Experiment { seed: 5, ..experiment(folder.path(), kind) };
        let error = run(other, &out, Existing::Resume, 1.0, &mut |_| true).unwrap_err();
        assert!(error.to_string().contains("another experiment: `seed` is 4 there and 5 here"), "{error}");

        // One that finds nothing (no count is a fraction) leaves no folder that would refuse the next one.
        let mut nothing = experiment(folder.path(), kind);
        (nothing.regularizers[0].lower, nothing.regularizers[0].upper) = (Some(49_999.5), Some(49_999.5));
        let out = folder.path().join(format!("nothing-{kind}"));
        let error = run(nothing, &out, Existing::Refuse, 1.0, &mut |_| true).unwrap_err();
        assert!(matches!(error, RunError::Evolution(EvolutionError::NothingFound { .. })), "{error}");
        assert!(!out.exists());
    }
}

/// A folder that gets its run while another one searches for its own.
#[test]
fn a_search_does_not_write_over_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let search = |existing, watch: &mut dyn FnMut(&Sampling) -> bool| {
        run(experiment(folder.path(), "random"), &out, existing, 1.0, watch)
    };
    let mut first = None;
    let error = search(Existing::Refuse, &mut |_| {
        first.get_or_insert_with(|| search(Existing::Refuse, &mut |_| true).unwrap());
        true
    });
    assert!(matches!(error, Err(RunError::Folder(FolderError::Occupied { finished: true, .. }))), "{error:?}");
    let read = fs::read_to_string(out.join("result.json")).unwrap();
    assert_eq!(serde_json::from_str::<SampledResult>(&read).unwrap(), first.unwrap());
    // A run that still goes on, such as a training, is not overwritten either.
    let training = lock(&out).unwrap();
    let error = search(Existing::Overwrite, &mut |_| true);
    assert!(matches!(error, Err(RunError::Folder(FolderError::InUse { .. }))), "{error:?}");
    assert_eq!(fs::read_to_string(out.join("result.json")).unwrap(), read);
    drop(training);
    search(Existing::Overwrite, &mut |_| true).unwrap();
}
