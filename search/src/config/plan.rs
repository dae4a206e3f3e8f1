//! The plan: everything that is checked and loaded before an experiment runs.

use nasprof_spaces::{Space, SpaceSpec};

use super::loaded::load;
use super::loaders::Loaders;
use super::network::{self, Network};
use super::{ConfigError, Experiment, LoadedRegularizer, budget, check, space};

/// An experiment with its loaded inputs: the starting point of a run.
#[derive(Debug)]
pub struct Plan {
    /// The experiment.
    pub experiment: Experiment,
    /// The description that the space is built from.
    pub spec: SpaceSpec,
    /// The space.
    pub space: Space,
    /// The images; `None` for searches that need none.
    pub loaders: Option<Loaders>,
    /// The network of a training; `None` for searches.
    pub network: Option<Network>,
    /// The regularisers with their LUTs, in the file's order.
    pub regularizers: Vec<LoadedRegularizer>,
    /// Warnings to print before the run begins: limits that every network meets.
    pub warnings: Vec<String>,
}

impl Plan {
    /// Checks an experiment and loads its inputs.
    ///
    /// # Errors
    /// Everything that can be known before training: contradictory keys, a space that cannot be built, LUTs of another
    /// space, a device without a LUT, budgets that no network meets, missing images or images of the wrong size, another
    /// number of classes than the network has, batch sizes that do not divide.
    pub fn new(experiment: Experiment) -> Result<Self, ConfigError> {
        check::check(&experiment)?;
        let (spec, space) = space::build(&experiment.space)?;
        if experiment.searcher.is_some() && space.choices.is_empty() {
            return Err(ConfigError::key(
                "space",
                format!("`{}` has only one network: there is nothing to search", space.name),
            ));
        }
        check::check_samples(&experiment, &space)?;
        let network = experiment.trainer.as_ref().map(|t| network::find(t, &experiment, &spec, &space)).transpose()?;
        let regularizers = load(&experiment, &space)?;
        budget::check(&regularizers, &space)?;
        let warnings = budget::warnings(&regularizers, &space)?;
        let loaders = match (&experiment.data, &experiment.training) {
            (Some(data), Some(training)) => Some(Loaders::open(data, training, &experiment, &space)?),
            _ => None,
        };
        Ok(Self { experiment, spec, space, loaders, network, regularizers, warnings })
    }

    /// Whether a regularizer applies to the device that measures the winner: its LUT is of that device, or the experiment
    /// names no device.
    #[must_use]
    pub fn is_of_device(&self, regularizer: &LoadedRegularizer) -> bool {
        let of = regularizer.lut.as_ref().map(|lut| lut.context.header.device.as_str());
        self.experiment.device.as_deref().is_none_or(|device| of == Some(device))
    }
}
