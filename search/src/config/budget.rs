//! Detects budgets that no network of the space meets.

use nasprof_base::text::significant;
use nasprof_graph::arch::ArchFile;
use nasprof_spaces::Space;

use super::{ConfigError, LoadedRegularizer, RegularizerKind};
use crate::costs::{CostError, Costs};
use crate::extremum::{Extremum, Optimality};

/// Refuses an upper bound or target below the cheapest network, and a lower bound above the most expensive one. The error
/// names that network.
pub(super) fn check(regularizers: &[LoadedRegularizer], space: &Space) -> Result<(), ConfigError> {
    for (i, regularizer) in regularizers.iter().enumerate() {
        let settings = &regularizer.settings;
        let at = |key: &str| format!("regularizers.{i}.{key}");
        let costs = Costs::new(space, settings.quantity, regularizer.lut.as_deref());
        let costs = costs.map_err(|e| ConfigError::key(at("lut"), e.to_string()))?;
        // The bounds of a reward are soft, so they may be out of reach.
        let (most, least) = match settings.kind {
            RegularizerKind::Constraint => (settings.target.map(|target| ("target", target)), settings.lower),
            RegularizerKind::Reject => (settings.upper.map(|upper| ("upper", upper)), settings.lower),
            RegularizerKind::Reward | RegularizerKind::Penalty => continue,
        };
        let failed = |e: CostError| ConfigError::key(at("lut"), e.to_string());
        let refused = |key: &str, limit: f64, which: &str, Extremum { arch, value, optimality }: Extremum| {
            let network = serde_json::to_string(&ArchFile::new(&space.name, &space.choices, &arch)).unwrap_or_default();
            let found = match optimality {
                Optimality::Exact => "",
                Optimality::CoordinateSearch => " found",
            };
            let (name, unit) = (settings.quantity.name(), settings.quantity.unit());
            let problem = format!(
                "no network meets a {name} of {limit} {unit}: the {which} network{found} has {value} {unit}: {network}"
            );
            Err(ConfigError::key(at(key), problem))
        };
        if let Some((key, limit)) = most {
            let minimum = costs.find_at_most(space, limit).map_err(failed)?;
            if limit < minimum.value {
                return refused(key, limit, "cheapest", minimum);
            }
        }
        if let Some(limit) = least {
            let maximum = costs.find_at_least(space, limit).map_err(failed)?;
            if limit > maximum.value {
                return refused("lower", limit, "most expensive", maximum);
            }
        }
    }
    Ok(())
}

/// Warns about limits that every network meets: their unit or LUT may be wrong.
pub(super) fn warnings(regularizers: &[LoadedRegularizer], space: &Space) -> Result<Vec<String>, ConfigError> {
    let mut warnings = Vec::new();
    for (i, regularizer) in regularizers.iter().enumerate() {
        let settings = &regularizer.settings;
        let (key, limit) = match settings.kind {
            RegularizerKind::Constraint => ("target", settings.target),
            RegularizerKind::Reject => ("upper", settings.upper),
            RegularizerKind::Reward | RegularizerKind::Penalty => continue,
        };
        let Some(limit) = limit else { continue };
        let failed = |e: CostError| ConfigError::key(format!("regularizers.{i}.lut"), e.to_string());
        let costs = Costs::new(space, settings.quantity, regularizer.lut.as_deref()).map_err(failed)?;
        let Extremum { value, optimality, .. } = costs.find_at_least(space, limit).map_err(failed)?;
        if value < limit {
            let found = if optimality == Optimality::Exact { "has" } else { "found has" };
            let (name, unit, value) = (settings.quantity.name(), settings.quantity.unit(), significant(value));
            warnings.push(format!(
                "warning: regularizers.{i}.{key}: every network meets a {name} of {limit} {unit}: the most expensive network {found} {value} {unit}"
            ));
        }
    }
    Ok(warnings)
}
