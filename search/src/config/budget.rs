//! Budgets that no network of the space meets.

use nasprof_graph::Space;
use nasprof_graph::arch::ArchFile;

use super::{ConfigError, LoadedRegularizer, RegularizerKind};
use crate::costs::Costs;

/// Refuses an upper bound or target below the cheapest network, and says which that is.
pub(super) fn check(regularizers: &[LoadedRegularizer], space: &Space) -> Result<(), ConfigError> {
    for (i, regularizer) in regularizers.iter().enumerate() {
        let settings = &regularizer.settings;
        let at = |key: &str| format!("regularizers.{i}.{key}");
        let costs = Costs::new(space, settings.quantity, regularizer.lut.as_deref());
        let costs = costs.map_err(|e| ConfigError::key(at("lut"), e.to_string()))?;
        // A reward only leans towards its bound: it may be out of reach.
        let limit = match settings.kind {
            RegularizerKind::Constraint => settings.target.map(|target| ("target", target)),
            RegularizerKind::Reject => settings.upper.map(|upper| ("upper", upper)),
            RegularizerKind::Reward | RegularizerKind::Penalty => None,
        };
        let Some((key, limit)) = limit else { continue };
        let (arch, least, sure) =
            costs.cheap_enough(space, limit).map_err(|e| ConfigError::key(at("lut"), e.to_string()))?;
        if limit >= least {
            continue;
        }
        let network = serde_json::to_string(&ArchFile::new(&space.name, &space.choices, &arch)).unwrap_or_default();
        let cheapest = if sure { "the cheapest network" } else { "the cheapest network found" };
        let (name, unit) = (settings.quantity.name(), settings.quantity.unit());
        let problem = format!("no network has a {name} of {limit} {unit}: {cheapest} has {least} {unit}: {network}");
        return Err(ConfigError::key(at(key), problem));
    }
    Ok(())
}
