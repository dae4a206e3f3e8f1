//! The network of a training.

use std::fs;

use nasprof_base::suggest;
use nasprof_graph::Arch;
use nasprof_graph::arch::ArchFile;
use nasprof_spaces::darts::{Genotype, GenotypeEdge, Operation, TrainOptions};
use nasprof_spaces::{Space, SpaceSpec};

use super::{ConfigError, Experiment, Trainer};
use crate::data::{Purpose, stream};

/// One network of a space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// Given by a selection for every choice.
    Arch(Arch),
    /// Given by the two edges of each node; only these are built.
    Genotype(Genotype),
}

/// An architecture file is a few kilobytes.
const MAX_BYTES: u64 = 16 << 20;
const KEY: &str = "trainer.arch";

pub(super) fn find(
    trainer: &Trainer,
    experiment: &Experiment,
    spec: &SpaceSpec,
    space: &Space,
) -> Result<Network, ConfigError> {
    let network = match trainer.arch.as_deref() {
        None if space.choices.is_empty() || space.choices.iter().all(|c| c.candidates.len() == 1) => {
            Network::Arch(Arch(vec![0; space.choices.len()]))
        }
        None => {
            let problem = format!("is missing: `{}` has {} networks", space.name, space.networks());
            return Err(ConfigError::key(KEY, problem));
        }
        Some("random") => Network::Arch(space.sample(&mut stream(experiment.seed, Purpose::Architectures, 0, 0))),
        Some("darts-v2") => Network::Genotype(Genotype::darts_v2()),
        Some(path) => read(path, spec, space)?,
    };
    check_training(&network, experiment, spec)?;
    Ok(network)
}

/// Reads an architecture file, which names a space, or a genotype, which does not.
fn read(path: &str, spec: &SpaceSpec, space: &Space) -> Result<Network, ConfigError> {
    let fail = |source: std::io::Error| ConfigError::key(KEY, format!("{path}: {source}"));
    if fs::metadata(path).map_err(fail)?.len() > MAX_BYTES {
        return Err(ConfigError::key(KEY, format!("{path} is larger than 16 MiB")));
    }
    let text = fs::read_to_string(path).map_err(fail)?;
    let about = |problem: String| ConfigError::key(KEY, format!("{path}: {problem}"));
    let is_arch = serde_json::from_str::<serde_json::Value>(&text).is_ok_and(|json| json.get("choices").is_some());
    if !is_arch {
        return Genotype::parse(&text).map(Network::Genotype).map_err(|e| about(e.to_string()));
    }
    let file: ArchFile = serde_json::from_str(&text).map_err(|e| about(suggest::explain(&e.to_string())))?;
    if let SpaceSpec::Darts(darts) = spec
        && let Some(genotype) = genotype_of(&file, darts.num_choices)
    {
        return Ok(Network::Genotype(genotype));
    }
    file.resolve(&space.name, &space.choices).map(Network::Arch).map_err(|e| about(e.to_string()))
}

/// The normal and reduction cells of an architecture, if each node has two edges. Cells fit networks of any depth and width,
/// so the name of the space does not matter.
fn genotype_of(file: &ArchFile, nodes: usize) -> Option<Genotype> {
    let mut left = file.choices.clone();
    let mut cell = |cell: &str| {
        let node = |node: usize| {
            let mut kept = Vec::new();
            for source in 0..node {
                let name = left.remove(&format!("{cell}/edge_{source}_{node}"))?;
                let op = Operation::ALL.into_iter().find(|op| op.name() == name)?;
                if op != Operation::None {
                    kept.push(GenotypeEdge { op, source });
                }
            }
            <[GenotypeEdge; 2]>::try_from(kept).ok()
        };
        (2..nodes + 2).map(node).collect::<Option<Vec<_>>>()
    };
    let (normal, reduce) = (cell("normal")?, cell("reduce")?);
    left.is_empty().then(|| Genotype::new(normal, reduce))
}

/// Genotypes, auxiliary classifiers and dropped paths need DARTS cells. Building the network checks whether they fit.
fn check_training(network: &Network, experiment: &Experiment, spec: &SpaceSpec) -> Result<(), ConfigError> {
    let training = experiment.training.as_ref();
    let drop_path = training.map_or(0.0, |t| t.drop_path);
    let auxiliary = training.is_some_and(|t| t.auxiliary_weight > 0.0);
    let SpaceSpec::Darts(darts) = spec else {
        let (key, problem) = match network {
            Network::Genotype(_) => (KEY, "genotypes exist only for DARTS cells; give an architecture file"),
            Network::Arch(_) if auxiliary => ("training.auxiliary_weight", "applies only to DARTS cells"),
            Network::Arch(_) if drop_path > 0.0 => ("training.drop_path", "applies only to DARTS cells"),
            Network::Arch(_) => return Ok(()),
        };
        return Err(ConfigError::key(key, problem));
    };
    let options = TrainOptions { drop_path, auxiliary };
    let built = match network {
        Network::Genotype(genotype) => darts.network(genotype, options),
        Network::Arch(_) => darts.supernet(options),
    };
    built.map(drop).map_err(|e| ConfigError::key("training", e.to_string()))
}
