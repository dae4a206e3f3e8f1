//! Experiment files: what is read, what is set over it, and that every error comes before training.
use nasprof_search::config::{ConfigError, DartsOrder, Experiment, Network, OptimizerKind, Plan, Searcher};
use nasprof_search::schedule::Schedule;

const SPACE: &str = r#"
format_version = 1
kind = "mobilenet"
input = [1, 28, 28]
num_classes = 10
settings = [[8, 2, 2], [16, 1, 2]]
candidates = ["MB3 3x3", "MB6 3x3"]
skip_connect = true
"#;

/// A search on 100 training and 30 test images.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = nasprof_testkit::data_sets::fashion(100, 30);
        std::fs::write(folder.path().join("space.toml"), SPACE).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn text(&self) -> String {
        format!(
            r#"
format_version = 1
space = {:?}
seed = 3

[data]
dataset = "fashion-mnist"
path = {:?}
train_portion = 0.8

[training]
epochs = 4
warm_up_epochs = 1
batch_size = 20
mini_batch = 10
valid_batch_size = 10

[optimizers.weights]
kind = "momentum"
learning_rate = 0.1
clip = 5
schedule = {{ kind = "cosine" }}

[optimizers.architecture]
kind = "adam"
learning_rate = 0.01
betas = [0.5, 0.999]

[searcher]
kind = "proxylessnas"
"#,
            self.path("space.toml"),
            self.path("")
        )
    }

    fn plan(&self, overrides: &[&str]) -> Result<Plan, ConfigError> {
        let overrides: Vec<String> = overrides.iter().map(|&o| o.to_owned()).collect();
        Plan::new(Experiment::parse(&self.text(), &overrides)?)
    }

    fn fails(&self, overrides: &[&str], naming: &str) {
        let error = self.plan(overrides).unwrap_err().to_string();
        assert!(error.contains(naming), "{overrides:?}: no `{naming}` in: {error}");
    }
}

#[test]
fn a_plan_has_all_that_a_search_needs() {
    let plan = Folder::new().plan(&[]).unwrap();
    let loaders = plan.loaders.unwrap();
    assert_eq!([&loaders.train, loaders.valid.as_ref().unwrap(), &loaders.test].map(|l| l.images()), [80, 20, 30]);
    assert_eq!((loaders.train_batches.accumulate, loaders.train_batches.steps), (2, 4));
    assert_eq!((loaders.valid_batches.mini_batch, loaders.valid_batches.steps), (10, 2));
    assert_eq!(loaders.train.batches_per_epoch(), 8);
    let batch = loaders.train.shuffled(0).next().unwrap().unwrap();
    assert_eq!((batch.labels.len(), batch.images.len()), (10, 10 * 28 * 28));
    assert_eq!(plan.space.choices.len(), 3);
    assert!(plan.network.is_none());
    let weights = plan.experiment.optimizers.weights.unwrap();
    assert_eq!((weights.kind, weights.momentum, weights.clip), (OptimizerKind::Momentum, 0.9, Some(5.0)));
    assert_eq!(weights.schedule, Schedule::Cosine);
}

/// A batch of one class has statistics of its own, with which all architectures look alike.
#[test]
fn images_that_come_class_by_class_are_judged_in_mixed_batches() {
    let folder = Folder::new();
    let labels: Vec<u8> = (0..100).map(|i| i / 10).collect();
    nasprof_testkit::data_sets::write_idx(&folder.0.path().join("train-labels-idx1-ubyte"), &[100], &labels);
    let batches = folder.plan(&[]).unwrap().loaders.unwrap().valid.unwrap().in_order();
    let mut labels: Vec<i64> = batches.flat_map(|batch| batch.unwrap().labels).collect();
    assert!(!labels.is_sorted(), "{labels:?}");
    labels.sort_unstable();
    assert_eq!(labels, (0..20).map(|i| i / 2).collect::<Vec<_>>());
}

#[test]
fn json_with_the_same_keys_is_the_same_experiment() {
    let text = Folder::new().text();
    let experiment = Experiment::parse(&text, &[]).unwrap();
    let json = serde_json::to_string(&toml::from_str::<toml::Table>(&text).unwrap()).unwrap();
    assert_eq!(Experiment::parse(&json, &[]).unwrap(), experiment);
}

#[test]
fn the_resolved_file_is_the_same_experiment() {
    let overrides = ["searcher.kind=darts", "searcher.order=2", "regularizers.0.kind=penalty"]
        .into_iter()
        .chain(["regularizers.0.quantity=macs", "regularizers.0.weight=1e-9", "device=local"])
        .map(str::to_owned)
        .collect::<Vec<_>>();
    let experiment = Experiment::parse(&Folder::new().text(), &overrides).unwrap();
    let resolved = experiment.resolved_toml();
    assert_eq!(Experiment::parse(&resolved, &[]).unwrap(), experiment);
    // What was left out stands in it.
    assert!(resolved.contains("momentum = 0.9") && resolved.contains("order = 2"), "{resolved}");
}

#[test]
fn values_are_set_over_the_file() {
    let folder = Folder::new();
    let parse = |overrides: &[&str]| {
        let overrides: Vec<String> = overrides.iter().map(|&o| o.to_owned()).collect();
        Experiment::parse(&folder.text(), &overrides)
    };
    let set =
        parse(&["seed=9", "training.epochs = 7", "space=darts-cifar10", "optimizers.weights.schedule.kind=constant"]);
    let set = set.unwrap();
    assert_eq!((set.seed, set.training.unwrap().epochs, set.space.as_str()), (9, 7, "darts-cifar10"));
    assert_eq!(set.optimizers.weights.unwrap().schedule, Schedule::Constant);
    let darts = parse(&["searcher={kind=\"darts\", order=2}"]).unwrap().searcher;
    let (order, architecture_first, stop_at_skips, operation_dropout) = (DartsOrder::Second, false, None, 0.0);
    let recalibrate_batches = 0;
    let expected = Searcher::Darts { order, architecture_first, stop_at_skips, operation_dropout, recalibrate_batches };
    assert_eq!(darts, Some(expected));
    let list =
        parse(&["regularizers.0.kind=reject", "regularizers.0.quantity=params", "regularizers.0.upper=9"]).unwrap();
    assert_eq!(list.regularizers[0].upper, Some(9.0));
    for (bad, naming) in [
        ("seed", "key=value"),
        ("seed.x=1", "below a value that is not a table"),
        ("regularizers.2.kind=reject", "past the end"),
        ("regularizers.x=1", "expected a sequence"),
        ("searcher=staged", "key `searcher`: invalid type: string \"staged\", expected a table with a `kind`, such as"),
        ("=1", "not a key"),
        ("training..x=1", "not a key"),
    ] {
        let error = parse(&[bad]).unwrap_err().to_string();
        assert!(error.contains(naming), "{bad}: no `{naming}` in: {error}");
    }
}

#[test]
fn unknown_keys_get_the_nearest_known_one() {
    let folder = Folder::new();
    for (key, naming) in [
        ("sede=1", "key `sede`: unknown field `sede`"),
        ("sede=1", "did you mean `seed`"),
        ("training.epoch=1", "key `training.epoch`"),
        ("training.epoch=1", "did you mean `epochs`"),
        ("optimizers.weights.lerning_rate=1", "did you mean `learning_rate`"),
        ("optimizers.weight.kind=sgd", "did you mean `weights`"),
        ("optimizers.weights.schedule={kind=\"cosin\"}", "did you mean `cosine`"),
        ("searcher.sample=3", "did you mean `samples`"),
        ("searcher.kind=dart", "did you mean `darts`"),
        ("searcher={kind=\"darts\", order=3}", "order 3 is not 1 or 2"),
        ("data.dataset=fashionmnist", "did you mean `fashion-mnist`"),
        ("data.train_transform=[{step=\"cutot\", length=3}]", "did you mean `cutout`"),
        ("training.epochs=many", "key `training.epochs`: invalid type"),
        ("format_version=2", "this version reads 1"),
    ] {
        folder.fails(&[key], naming);
    }
    let error = Experiment::parse("format_version = 1\nspace = ", &[]).unwrap_err();
    assert!(matches!(error, ConfigError::Syntax(_)));
    assert!(Experiment::parse("", &[]).unwrap_err().to_string().contains("write `format_version = 1`"));
    assert!(Experiment::parse("{\"format_version\": 1", &[]).is_err());
}

#[test]
fn every_error_comes_before_training() {
    let folder = Folder::new();
    for (overrides, naming) in [
        // Batch arithmetic.
        (&["training.mini_batch=7"][..], "key `training.mini_batch`: 7 does not divide"),
        (&["training.batch_size=100"], "key `training.batch_size`: 100 is more than the 80 images"),
        (
            &["training.valid_mini_batch=3"],
            "key `training.valid_mini_batch`: 3 does not divide `valid_batch_size` (10)",
        ),
        (&["training.epochs=0"], "training.epochs"),
        // Shapes and classes.
        (&["space=darts-cifar10"], "images become 3x28x28, but the network needs 3x32x32"),
        (&["data.train_transform=[]", "data.test_transform=[{step=\"pad\", pad=1}]"], "1x30x30"),
        (&["data.train_transform=[{step=\"cutout\", length=40}]"], "square of 40"),
        (&["data.train_transform=[{step=\"cutout\", length=0}]"], "key `data.train_transform`: step 0"),
        // Files.
        (&["data.path=/nowhere"], "does not exist"),
        (&["space=nowhere.toml"], "key `space`: nowhere.toml"),
        (&["space=darts-cifar"], "did you mean `darts-cifar10`"),
        // What does not go together.
        (
            &["searcher.kind=darts", "regularizers=[{kind=\"reward\",quantity=\"macs\",upper=1}]"],
            "key `regularizers.0.kind`",
        ),
        (&["regularizers=[{kind=\"reject\",quantity=\"latency\",upper=1}]"], "key `regularizers.0.lut`: is missing"),
        (&["searcher.kind=fairnas", "searcher.samples=5"], "key `optimizers.architecture`: does not apply"),
        (&["searcher={kind=\"random\",score=\"macs\"}"], "key `data`: this search uses no images"),
        (&["training.drop_path=0.1"], "key `training.drop_path`"),
        (&["searcher.samples=0"], "key `searcher.samples`"),
        (&["training.epochs=0"], "epochs of the warm-up do not count"),
        (&["training.epochs=4294967295"], "key `training.epochs`"),
        (&["searcher.baseline_rate=0"], "key `searcher.baseline_rate`"),
        (&["optimizers.weights.learning_rate=-1"], "key `optimizers.weights.learning_rate`"),
        (
            &["optimizers.weights.schedule={kind=\"cosine-warm-up\",warm_up_epochs=4,warm_up_learning_rate=0}"],
            "schedule",
        ),
        // Keys of a table that depend on its `kind`.
        (&["searcher.samples=-1"], "key `searcher.samples`: invalid value"),
        (&["searcher.gradient=7"], "key `searcher.gradient`: "),
        (&["searcher.smaples=1"], "key `searcher.smaples`: unknown field `smaples`"),
        (&["optimizers.weights.schedule={kind=\"step\",decay=\"x\"}"], "key `optimizers.weights.schedule"),
        (
            &["regularizers=[{kind=\"reject\",quantity=\"macs\",upper=\"x\"}]"],
            "key `regularizers.0.upper`: invalid type",
        ),
        (&["trainer={}"], "key `trainer`"),
        (&["training.label_smoothing=nan"], "key `training.label_smoothing`: must be a finite number, not NaN"),
        (&["optimizers.weights.betas=[0.9, inf]"], "key `optimizers.weights.betas.1`"),
        (&["regularizers=[{kind=\"reject\",quantity=\"macs\",upper=-inf}]"], "key `regularizers.0.upper`"),
        (&["data.train_portion=1"], "key `data.train_portion`"),
        (&["data.workers=0"], "key `data.workers`"),
        (&["data.test_list=a.csv"], "key `data.test_list`"),
        (&["data.dataset=image-folder", "data.path=/nowhere"], "data.transform"),
    ] {
        folder.fails(overrides, naming);
    }
    let measured = folder.text().replace("warm_up_epochs = 1", "").replace("seed = ", "device = \"local\"\nseed = ");
    let measured =
        measured.split("[optimizers.architecture]").next().unwrap().to_owned() + "[trainer]\narch = \"random\"\n";
    let error = Plan::new(Experiment::parse(&measured, &[]).unwrap()).unwrap_err().to_string();
    assert!(error.contains("key `device`"), "{error}");
    let without = folder.text().replace("[searcher]\nkind = \"proxylessnas\"", "");
    let error = Plan::new(Experiment::parse(&without, &[]).unwrap()).unwrap_err().to_string();
    assert!(error.contains("key `searcher`: is missing"), "{error}");
    let ten = SPACE.replace("num_classes = 10", "num_classes = 12");
    std::fs::write(folder.path("space.toml"), ten).unwrap();
    folder.fails(&[], "has 12 classes, but the data set has 10");
}

/// Every search that draws architectures has a limit, and none draws more than there are.
#[test]
fn numbers_of_architectures_have_limits() {
    let folder = Folder::new();
    let text = |searcher: &str| {
        format!("format_version = 1\nspace = \"mobilenet-fashion-mnist\"\n[searcher]\nscore = \"macs\"\n{searcher}\n")
    };
    let check = |text: &str| Experiment::parse(text, &[]).and_then(Plan::new).map(|_| ()).map_err(|e| e.to_string());
    let random = |samples: u32| text(&format!("kind = \"random\"\nsamples = {samples}"));
    check(&random(1_000_000)).unwrap();
    let error = check(&random(1_000_001)).unwrap_err();
    assert!(error.contains("key `searcher.samples`: 1000001 is not in 1 to 1000000"), "{error}");
    let all = folder.plan(&[]).unwrap().space.choices.iter().map(|c| c.candidates.len() as u32).product::<u32>();
    let small = |samples| random(samples).replace("mobilenet-fashion-mnist", &folder.path("space.toml"));
    check(&small(all)).unwrap();
    let error = check(&small(all + 1)).unwrap_err();
    assert!(error.contains(&format!("{} is more than the {all} architectures", all + 1)), "{error}");
    let evolution = |generations: u32| {
        text(&format!("kind = \"evolution\"\nevolution = {{ population = 1000, generations = {generations} }}"))
    };
    check(&evolution(999)).unwrap();
    let error = check(&evolution(1000)).unwrap_err();
    assert!(error.contains("key `searcher.evolution.generations`") && error.contains("1001000"), "{error}");
    // Judged on images, each takes seconds.
    let error = folder.plan(&["searcher={kind=\"fairnas\", samples=100001}"]).unwrap_err().to_string();
    assert!(error.contains("key `searcher.samples`: 100001 is not in"), "{error}");
}

#[test]
fn the_keys_that_differ_are_named() {
    let folder = Folder::new();
    let with = |overrides: &[&str]| {
        let overrides: Vec<String> = overrides.iter().map(|&o| o.to_owned()).collect();
        Experiment::parse(&folder.text(), &overrides).unwrap()
    };
    let first = with(&[]);
    let words = |other: &Experiment| first.differences(other).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(words(&first), [""; 0]);
    assert_eq!(words(&with(&["seed=4"])), ["`seed` is 3 there and 4 here"]);
    let other = with(&["training.epochs=9", "optimizers.weights.schedule={kind=\"constant\"}", "device=local"]);
    let expected = [
        "`device` is absent there and \"local\" here",
        "`optimizers.weights.schedule.kind` is \"cosine\" there and \"constant\" here",
        "`training.epochs` is 4 there and 9 here",
    ];
    assert_eq!(words(&other), expected);
    let reject = |upper: u32| format!("regularizers=[{{kind=\"reject\",quantity=\"macs\",upper={upper}}}]");
    let (one, two) = (with(&[&reject(1)]), with(&[&reject(2)]));
    assert_eq!(one.differences(&two)[0].key, "regularizers.0.upper");
    assert!(first.is_extended_by(&with(&["training.epochs=5"])));
    for same_or_other in [with(&[]), with(&["training.epochs=3"]), other] {
        assert!(!first.is_extended_by(&same_or_other));
    }
}

#[test]
fn an_unreachable_budget_says_which_network_is_the_cheapest() {
    let folder = Folder::new();
    let with = |kind: &str, bound: &str, value: f64| {
        let regularizer = format!("regularizers=[{{kind=\"{kind}\",quantity=\"params\",{bound}={value}}}]");
        folder.plan(&[&regularizer])
    };
    let error = with("reject", "upper", 10.0).unwrap_err().to_string();
    assert!(error.contains("key `regularizers.0.upper`") && error.contains("\"blocks/1\":\"skip_connect\""), "{error}");
    // The bound that the message names can be met, and the next lower one cannot.
    let least = error.split(": the cheapest network has ").nth(1).unwrap().split(' ').next().unwrap();
    let least: f64 = least.parse().unwrap();
    assert!(with("reject", "upper", least).is_ok());
    assert!(with("reject", "upper", least - 1.0).is_err());
    assert!(with("constraint", "target", least - 1.0).unwrap_err().to_string().contains("regularizers.0.target"));
    // What every network meets is told for people, so in few digits.
    let warned = with("reject", "upper", 1e9).unwrap().warnings;
    assert!(warned.len() == 1 && warned[0].contains("every network meets a params of 1000000000"), "{warned:?}");
    // The most expensive cell of NAS-Bench-201 is not found by changing one edge of an empty cell at a time.
    let cells = |bound: &str, value: f64| {
        let text = format!(
            "format_version = 1\nspace = \"nasbench201-cifar10\"\n[[regularizers]]\nkind = \"reject\"\nquantity = \"macs\"\n\
             {bound} = {value}\n[searcher]\nkind = \"random\"\nscore = \"params\"\nsamples = 10\n"
        );
        Plan::new(Experiment::parse(&text, &[]).unwrap())
    };
    const MOST: f64 = 220_119_680.0;
    assert!(cells("lower", 1e8).is_ok() && cells("lower", MOST).is_ok());
    let error = cells("lower", MOST + 1.0).unwrap_err().to_string();
    assert!(error.contains("the most expensive network found has 220119680 MACs"), "{error}");
    assert!(cells("upper", MOST).unwrap().warnings.is_empty());
    assert_eq!(cells("upper", MOST + 1.0).unwrap().warnings.len(), 1);
    // A reward only leans: it is no error to be out of reach.
    assert!(with("reward", "upper", least - 1.0).is_ok());

    // From above.
    let error = with("reject", "lower", 1e9).unwrap_err().to_string();
    assert!(error.contains("key `regularizers.0.lower`") && error.contains("\"blocks/1\":\"MB"), "{error}");
    let most = error.split(": the most expensive network has ").nth(1).unwrap().split(' ').next().unwrap();
    let most: f64 = most.parse().unwrap();
    assert!(with("reject", "lower", most).is_ok());
    assert!(with("reject", "lower", most + 1.0).is_err());
    assert!(with("reward", "lower", most + 1.0).is_ok());
}

#[test]
fn trainings_find_their_network() {
    let folder = Folder::new();
    let text =
        folder.text().replace("[searcher]\nkind = \"proxylessnas\"", "[trainer]").replace("warm_up_epochs = 1", "");
    let text = text.split("[optimizers.architecture]").next().unwrap().to_owned() + "[trainer]\n";
    let plan = |overrides: &[&str]| {
        let overrides: Vec<String> = overrides.iter().map(|&o| o.to_owned()).collect();
        Plan::new(Experiment::parse(&text, &overrides)?)
    };
    assert!(plan(&[]).unwrap_err().to_string().contains("key `trainer.arch`: is missing"));
    let random = plan(&["trainer.arch=random"]).unwrap();
    // Three disjoint parts: the test images are for the end only.
    let images = |overrides: &[&str]| {
        let loaders = plan(&[&["trainer.arch=random"], overrides].concat()).unwrap().loaders.unwrap();
        [loaders.train.images(), loaders.valid.map_or(0, |valid| valid.images()), loaders.test.images()]
    };
    assert_eq!(images(&["data.train_portion=0.8"]), [80, 20, 30]);
    assert_eq!(images(&["data.train_portion=1"]), [100, 0, 30]);
    let by_default = text.replace("train_portion = 0.8", "");
    let by_default = Experiment::parse(&by_default, &["trainer.arch=random".to_owned()]).unwrap();
    assert_eq!(by_default.data.as_ref().unwrap().train_portion, Some(0.9));
    assert!(by_default.resolved_toml().contains("train_portion = 0.9"));
    // Below 1 there is always one to choose by.
    assert_eq!(images(&["data.train_portion=0.999"]), [99, 1, 30]);
    assert_eq!(plan(&["trainer.arch=random"]).unwrap().network, random.network);
    let others = (0..20).map(|seed| plan(&["trainer.arch=random", &format!("seed={seed}")]).unwrap().network);
    assert!(others.into_iter().any(|network| network != random.network));
    let Some(Network::Arch(arch)) = &random.network else { panic!("no architecture") };
    let file = nasprof_graph::arch::ArchFile::new("space", &random.space.choices, arch);
    std::fs::write(folder.path("arch.json"), serde_json::to_string(&file).unwrap()).unwrap();
    let named = format!("trainer.arch={}", folder.path("arch.json"));
    assert_eq!(plan(&[&named]).unwrap().network, random.network);
    for (overrides, naming) in [
        (&["trainer.arch=nowhere.json"][..], "nowhere.json"),
        (&["trainer.arch=darts-v2"], "genotypes exist only for DARTS cells"),
        (&["trainer.arch=random", "training.auxiliary_weight=0.4"], "training.auxiliary_weight"),
        (&["trainer.arch=random", "training.warm_up_epochs=1"], "training.warm_up_epochs"),
        (&[&named, "space=mobilenet-cifar10", "data.train_transform=[]"], "of space `space`"),
    ] {
        let error = plan(overrides).unwrap_err().to_string();
        assert!(error.contains(naming), "{overrides:?}: no `{naming}` in: {error}");
    }
}
