//! Budgets that no network of the space meets.

use nasprof_graph::arch::ArchFile;
use nasprof_spaces::Space;

use super::{ConfigError, LoadedRegularizer, RegularizerKind};
use crate::costs::{CostError, Costs, Extreme, FoundBy};

/// Refuses an upper bound or target below the cheapest network and a lower bound above the most expensive one, and says which
/// that is.
pub(super) fn check(regularizers: &[LoadedRegularizer], space: &Space) -> Result<(), ConfigError> {
    for (i, regularizer) in regularizers.iter().enumerate() {
        let settings = &regularizer.settings;
        let at = |key: &str| format!("regularizers.{i}.{key}");
        let costs = Costs::new(space, settings.quantity, regularizer.lut.as_deref());
        let costs = costs.map_err(|e| ConfigError::key(at("lut"), e.to_string()))?;
        // A reward only leans towards its bounds: they may be out of reach.
        let (most, least) = match settings.kind {
            RegularizerKind::Constraint => (settings.target.map(|target| ("target", target)), settings.lower),
            RegularizerKind::Reject => (settings.upper.map(|upper| ("upper", upper)), settings.lower),
            RegularizerKind::Reward | RegularizerKind::Penalty => continue,
        };
        let failed = |e: CostError| ConfigError::key(at("lut"), e.to_string());
        let refused = |key: &str, limit: f64, which: &str, Extreme { arch, value, found_by }: Extreme| {
            let network = serde_json::to_string(&ArchFile::new(&space.name, &space.choices, &arch)).unwrap_or_default();
            let found = if found_by == FoundBy::Exact { "" } else { " found" };
            let (name, unit) = (settings.quantity.name(), settings.quantity.unit());
            let problem = format!(
                "no network has a {name} of {limit} {unit}: the {which} network{found} has {value} {unit}: {network}"
            );
            Err(ConfigError::key(at(key), problem))
        };
        if let Some((key, limit)) = most {
            let cheapest = costs.cheap_enough(space, limit).map_err(failed)?;
            if limit < cheapest.value {
                return refused(key, limit, "cheapest", cheapest);
            }
        }
        if let Some(limit) = least {
            let dearest = costs.dear_enough(space, limit).map_err(failed)?;
            if limit > dearest.value {
                return refused("lower", limit, "most expensive", dearest);
            }
        }
    }
    Ok(())
}
