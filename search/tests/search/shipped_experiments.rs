//! Every experiment in `configs/experiments` is read, and passes all checks once its data set is there.
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use nasprof_graph::passes::{eliminate_dead_code, select};
use nasprof_search::config::{DataSetKind, Experiment, Network, Plan, Searcher};
use tempfile::TempDir;

fn shipped() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/experiments");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 28, "{files:?}");
    let name = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    files.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// Data sets of the right form and hardly any content.
struct DataSets {
    fashion: TempDir,
    cifar: TempDir,
    image_net: TempDir,
}

impl DataSets {
    fn new() -> Self {
        let cifar = tempfile::tempdir().unwrap();
        for name in ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"] {
            File::create(cifar.path().join(format!("{name}.bin"))).unwrap().set_len(10_000 * 3073).unwrap();
        }
        let image_net = tempfile::tempdir().unwrap();
        let image = image_net.path().join("image.png");
        nasprof_testkit::data_sets::write_png(&image, [2, 2], [1, 2, 3]);
        for class in 0..1000 {
            for (part, images) in [("train", 21), ("val", 1)] {
                let folder = image_net.path().join(format!("{part}/n{class:04}"));
                fs::create_dir_all(&folder).unwrap();
                (0..images).for_each(|i| fs::hard_link(&image, folder.join(format!("{i}.png"))).unwrap());
            }
        }
        Self { fashion: nasprof_testkit::data_sets::fashion(2000, 400), cifar, image_net }
    }

    fn folder(&self, dataset: DataSetKind) -> &Path {
        match dataset {
            DataSetKind::FashionMnist => self.fashion.path(),
            DataSetKind::Cifar10 => self.cifar.path(),
            DataSetKind::ImageFolder | DataSetKind::List => self.image_net.path(),
        }
    }
}

#[test]
fn every_experiment_passes_all_checks_once_its_files_are_there() {
    let data_sets = DataSets::new();
    for (name, text) in shipped() {
        let experiment = Experiment::parse(&text, &[]).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(Experiment::parse(&experiment.resolved_toml(), &[]).unwrap(), experiment, "{name}");
        let mut overrides = Vec::new();
        if let Some(data) = &experiment.data {
            overrides.push(format!("data.path={}", data_sets.folder(data.dataset).display()));
        }
        // What only a measurement or another search can give.
        if experiment.regularizers.iter().any(|r| r.lut.is_some()) {
            overrides.push("regularizers=[]".to_owned());
        }
        let arch = experiment.trainer.as_ref().and_then(|t| t.arch.as_deref());
        if let Some(arch) = arch.filter(|a| a.starts_with("runs/")) {
            assert!(
                text.contains("space = \"darts-cifar10-deep\"")
                    || [name.replace("-train", "-search"), name.replace("-train", "")]
                        .contains(&arch.split('/').nth(1).unwrap().to_owned())
            );
            overrides.push(format!("trainer.arch={}", if name.starts_with("darts") { "darts-v2" } else { "random" }));
        }
        if let Some(arch) = arch.filter(|a| a.starts_with("configs/")) {
            overrides.push(format!("trainer.arch={}/../{arch}", env!("CARGO_MANIFEST_DIR")));
        }
        let plan = Experiment::parse(&text, &overrides).and_then(Plan::new).unwrap_or_else(|e| panic!("{name}: {e}"));
        let trains = plan.experiment.searcher.as_ref().is_none_or(Searcher::trains);
        assert_eq!(plan.loaders.is_some(), trains, "{name}");
        assert_eq!(plan.network.is_some(), plan.experiment.trainer.is_some(), "{name}");
    }
}

/// The genotypes that NNabla-NAS ships for FairNAS, with the parameters that it counts.
#[test]
fn the_shipped_architectures_are_the_references() {
    let data_sets = DataSets::new();
    for (name, dataset, params) in [
        ("fairnas-cifar10", DataSetKind::Cifar10, 2_318_018),
        ("fairnas-imagenet", DataSetKind::ImageFolder, 4_693_736),
    ] {
        let (_, text) = shipped().into_iter().find(|(known, _)| *known == format!("{name}-train")).unwrap();
        let overrides = [
            format!("data.path={}", data_sets.folder(dataset).display()),
            format!("trainer.arch={}/../configs/archs/{name}.json", env!("CARGO_MANIFEST_DIR")),
        ];
        let plan = Plan::new(Experiment::parse(&text, &overrides).unwrap()).unwrap();
        let Some(Network::Arch(arch)) = plan.network else { panic!("{name}: no architecture") };
        let network = eliminate_dead_code(&select(&plan.space.graph, &arch).unwrap());
        assert_eq!(network.cost().params, params, "{name}");
    }
}

/// The values of the shipped files against the configuration files of NNabla-NAS: epochs, warm-up, batches, learning
/// rate.
#[test]
fn values_are_the_references() {
    let expected = [
        ("darts-cifar10-search", 50, 0, [256, 16, 256, 16], 0.025),
        ("darts-cifar10-train", 600, 0, [384, 48, 400, 50], 0.025),
        ("pnas-cifar10-search", 150, 50, [1024, 64, 1024, 64], 0.025),
        ("pnas-cifar10-train", 600, 0, [1024, 32, 400, 50], 0.025),
        ("mobilenet-cifar10-search-latency", 200, 100, [512, 128, 1024, 256], 0.1),
        ("mobilenet-imagenet-search", 120, 50, [256, 32, 256, 32], 0.025),
        ("mobilenet-imagenet-train-latency", 300, 0, [256, 32, 256, 32], 0.05),
        ("mobilenet-cifar10-reference", 600, 0, [512, 128, 800, 200], 0.1),
        ("zoph-cifar10-train", 600, 0, [256, 64, 80, 20], 0.025),
        ("fairnas-cifar10-search", 1000, 0, [512, 128, 1024, 256], 0.05),
        ("fairnas-imagenet-train", 120, 0, [256, 32, 256, 32], 0.05),
    ];
    let shipped = shipped();
    for (name, epochs, warm_up, [batch, mini, valid_batch, valid_mini], rate) in expected {
        let (_, text) = shipped.iter().find(|(known, _)| known == name).unwrap();
        let experiment = Experiment::parse(text, &[]).unwrap();
        let training = experiment.training.unwrap();
        assert_eq!((training.epochs, training.warm_up_epochs), (epochs, warm_up), "{name}");
        let train = training.batches(100_000).unwrap();
        assert_eq!((train.mini_batch * train.accumulate, train.mini_batch), (batch, mini), "{name}");
        let valid = training.valid_batches(100_000).unwrap();
        assert_eq!((valid.mini_batch * valid.accumulate, valid.mini_batch), (valid_batch, valid_mini), "{name}");
        let weights = experiment.optimizers.weights.unwrap();
        assert_eq!((weights.learning_rate, weights.clip), (rate, Some(5.0)), "{name}");
    }
}

/// Once-for-all: the epochs are those of all phases of NNabla-NAS, batch and learning rate those of the first one.
#[test]
fn once_for_all_has_the_values_of_the_reference() {
    let shipped = shipped();
    for (name, phases, mini, rate, decay) in [
        ("ofa-mbv3", &[185, 125, 25, 125, 25, 125][..], 32, 0.65, 3e-5),
        ("ofa-resnet50", &[185, 125, 25, 125, 25, 125], 32, 0.65, 3e-5),
        ("ofa-xception", &[50, 20, 15, 30, 15, 30], 64, 0.045, 1e-5),
    ] {
        let (_, text) = shipped.iter().find(|(known, _)| *known == format!("{name}-imagenet-search")).unwrap();
        let experiment = Experiment::parse(text, &[]).unwrap();
        assert_eq!(experiment.space, name);
        let (training, weights) = (experiment.training.unwrap(), experiment.optimizers.weights.unwrap());
        assert_eq!(training.epochs, phases.iter().sum::<u32>(), "{name}");
        assert_eq!(
            (training.batch_size, training.mini_batch, training.label_smoothing),
            (512, Some(mini), 0.1),
            "{name}"
        );
        assert_eq!((weights.learning_rate, weights.weight_decay, weights.clip), (rate, decay, None), "{name}");
        assert!(weights.decay_weights_only, "{name}");
        // Statistics of as many images as the reference's 2,000.
        let searcher = experiment.searcher.unwrap();
        assert!(matches!(searcher, Searcher::Fairnas { progressive_shrinking: true, sandwich: true, .. }), "{name}");
        assert_eq!((f64::from(searcher.recalibrate_batches()) * 512.0 / 2000.0).round(), 1.0, "{name}");
    }
}
