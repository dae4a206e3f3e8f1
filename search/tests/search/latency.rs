//! Latency budgets: LUTs of a synthetic device from the file to the search.
use nasprof_graph::arch::ArchFile;
use nasprof_lut::{Estimator, Lut};
use nasprof_search::config::{ConfigError, Experiment, Plan, Quantity};
use nasprof_search::evolution::{RunError, SampledResult, run};
use nasprof_search::job::Existing;
use nasprof_search::{Costs, Extremum, Optimality};
use nasprof_spaces::Space;
use nasprof_testkit::luts as lut;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const SPACE: &str = "mobilenet-fashion-mnist";

struct Folder(tempfile::TempDir, Lut);

impl Folder {
    fn new(space: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lut = lut::synthetic_lut(&Space::builtin(space).unwrap(), "quiet", 0);
        nasprof_lut::write(&lut, &folder.path().join("lut.json")).unwrap();
        Self(folder, lut)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn experiment(&self, space: &str, searcher: &str, upper: f64, more: &[&str]) -> Result<Experiment, ConfigError> {
        let text = format!(
            "format_version = 1\nspace = \"{space}\"\n\
             [[regularizers]]\nkind = \"reject\"\nquantity = \"latency\"\nupper = {upper}\nlut = {:?}\n\
             [searcher]\nkind = \"{searcher}\"\nscore = \"macs\"\n",
            self.path("lut.json")
        );
        Experiment::parse(&text, &more.iter().map(|&m| m.to_owned()).collect::<Vec<_>>())
    }

    fn search(&self, searcher: &str, upper: f64) -> Result<SampledResult, RunError> {
        let out = self.0.path().join(format!("{searcher}-{upper}"));
        // As many for both: 50 in each of 8 generations.
        let effort = match searcher {
            "random" => "searcher.samples=400",
            _ => "searcher.evolution={population=50, generations=7}",
        };
        run(self.experiment(SPACE, searcher, upper, &[effort])?, &out, Existing::Refuse, 1.0, &mut |_| true)
    }
}

#[test]
fn winners_keep_to_the_latency_by_the_lut() {
    let folder = Folder::new(SPACE);
    let space = Space::builtin(SPACE).unwrap();
    let costs = Costs::new(&space, Quantity::Latency, Some(&folder.1)).unwrap();
    let Extremum { arch: cheapest, value: least, optimality } = costs.minimum(&space).unwrap();
    assert_eq!(optimality, Optimality::Exact);
    let estimator = Estimator::new(&folder.1);
    let estimate = |arch: &ArchFile| {
        let arch = arch.resolve(SPACE, &space.choices).unwrap();
        let subnet = folder.1.context.header.runtime.subnet(&space.graph, &arch).unwrap();
        estimator.estimate(&subnet)
    };
    let mut before = 0.0;
    for factor in [1.2, 1.5, 2.0] {
        let upper = least * factor;
        let found = folder.search("evolution", upper).unwrap();
        let winner = estimate(&found.arch);
        let latency = winner.latency_ms.unwrap();
        assert!((found.quantities[0].estimated - latency).abs() < 1e-9 * latency);
        assert!(latency <= upper * (1.0 + 1e-9), "{latency} ms of {upper} ms");
        assert_eq!((found.params, found.macs), (winner.params, winner.macs));
        // More time buys more work, and evolution buys more than as many draws do.
        assert!(found.value > before);
        before = found.value;
        match folder.search("random", upper) {
            Ok(random) => assert!(random.value <= found.value && random.quantities[0].estimated <= upper),
            Err(error) => assert!(error.to_string().contains("none of"), "{error}"),
        }
    }
    let error = folder.search("evolution", least * 0.99).unwrap_err().to_string();
    let name = serde_json::to_string(&ArchFile::new(SPACE, &space.choices, &cheapest)).unwrap();
    assert!(error.contains("regularizers.0.upper") && error.contains(&name) && error.contains("ms"), "{error}");
}

#[test]
fn a_lut_of_something_else_is_refused() {
    let folder = Folder::new(SPACE);
    let fails = |experiment: Result<Experiment, ConfigError>, naming: &str| {
        let error = experiment.and_then(Plan::new).unwrap_err().to_string();
        assert!(error.contains(naming), "no `{naming}` in: {error}");
    };
    let reach = 1e6;
    fails(folder.experiment("mobilenet-cifar10", "random", reach, &[]), "key `regularizers.0.lut`");
    fails(folder.experiment(SPACE, "random", reach, &["device=local"]), "no LUT was measured on `local`");
    assert!(folder.experiment(SPACE, "random", reach, &["device=synthetic:quiet"]).and_then(Plan::new).is_ok());
    fails(folder.experiment(SPACE, "random", reach, &["regularizers.0.lut=/nowhere.parquet"]), "/nowhere.parquet");
    // A row without times must not count as no time.
    let mut damaged = folder.1.clone();
    let row = damaged.rows.iter_mut().find(|row| row.op == "conv").unwrap();
    (row.times, row.error) = (None, Some("out of memory".to_owned()));
    let key = row.key.to_string();
    nasprof_lut::write(&damaged, &folder.0.path().join("lut.json")).unwrap();
    fails(folder.experiment(SPACE, "random", reach, &[]), &key);
}

/// Spaces with zeros have no additive table: everything is found by pruning each network.
#[test]
fn cells_with_zeros() {
    let name = "darts-fashion-mnist";
    let folder = Folder::new(name);
    let space = Space::builtin(name).unwrap();
    let costs = Costs::new(&space, Quantity::Latency, Some(&folder.1)).unwrap();
    let Extremum { value: least, optimality, .. } = costs.minimum(&space).unwrap();
    assert_eq!(optimality, Optimality::CoordinateSearch);
    for quantity in [Quantity::Memory, Quantity::Params, Quantity::Macs] {
        let lut = (quantity == Quantity::Memory).then_some(&folder.1);
        let costs = Costs::new(&space, quantity, lut).unwrap();
        assert!(costs.minimum(&space).unwrap().value >= 0.0, "{quantity:?}");
    }
    let population = ["searcher.evolution={population=10, generations=2}"];
    let upper = costs.of(&space.sample(&mut ChaCha8Rng::seed_from_u64(1))).unwrap();
    assert!(upper > least);
    let experiment = folder.experiment(name, "evolution", upper, &population).unwrap();
    let found = run(experiment, &folder.0.path().join("run"), Existing::Refuse, 1.0, &mut |_| true).unwrap();
    assert!(found.quantities[0].estimated <= upper && found.evaluated > 10);
}
