//! A validation as a table of its networks.

use nasprof_lut::{Validation, ValidationRow};
use polars::prelude::Column;

use super::frame::{reals, texts, wholes};

/// The columns: a row for each network.
pub(super) fn columns(validation: &Validation) -> Result<Vec<Column>, String> {
    let rows = &validation.rows[..];
    let archs: Vec<String> =
        rows.iter().map(|row| serde_json::to_string(&row.arch)).collect::<Result<_, _>>().map_err(|e| e.to_string())?;
    let numbered: Vec<u64> = (0..rows.len() as u64).collect();
    let level = validation.level.unwrap_or(1.0);
    let error = |row: &ValidationRow| Some(row.estimated_ms * level / row.measured_ms - 1.0);
    Ok(vec![
        wholes("network", &numbered, |n| Some(*n)),
        reals("measured_ms", rows, |r| Some(r.measured_ms)),
        reals("ci_low_ms", rows, |r| r.ci.map(|ci| ci[0])),
        reals("ci_high_ms", rows, |r| r.ci.map(|ci| ci[1])),
        reals("estimated_ms", rows, |r| Some(r.estimated_ms)),
        reals("interval_low_ms", rows, |r| r.interval.map(|i| i[0])),
        reals("interval_high_ms", rows, |r| r.interval.map(|i| i[1])),
        reals("error", rows, error),
        reals("level", rows, |_| validation.level),
        texts("arch", &archs, |arch| Some(arch.clone())),
    ])
}
