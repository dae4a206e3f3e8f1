//! The result of a measurement, as text and as JSON.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nasprof_base::text::rough;
use nasprof_lut::{Flag, Lut, Row};
use nasprof_profiler::engine::{Precision, ROW_WIDTH};
use serde_json::json;

use super::super::{path_text, print, print_json};
use crate::cli::MeasureArgs;
use crate::failure::Failure;

/// The result of a measurement.
pub(super) struct Outcome {
    pub(super) device: String,
    pub(super) output: PathBuf,
    pub(super) journal: PathBuf,
    pub(super) lut: Lut,
    pub(super) visits: usize,
    pub(super) converged: bool,
    pub(super) elapsed: Duration,
}

impl Outcome {
    pub(super) fn print(&self, args: &MeasureArgs) -> Result<(), Failure> {
        let (rows, failed) = (&self.lut.rows, failed(&self.lut));
        if args.json {
            return print_json(&json!({
                "device": self.device,
                "lut": path_text(&self.output),
                "journal": path_text(&self.journal),
                "rows": rows.len(),
                "failed": failed,
                "converged": self.converged,
                "precision": self.lut.context.precision,
                "reconciliation": self.lut.context.reconciliation,
                "networks": self.lut.whole_networks(),
                "sessions": self.lut.context.sessions,
                "calibration": self.lut.context.calibration,
                "seconds": self.elapsed.as_secs_f64(),
                "seed": args.seed,
            }));
        }
        print(in_words(&self.output, &self.lut))
    }
}

/// The result in one line.
pub(super) fn in_words(path: &Path, lut: &Lut) -> String {
    let (path, rows, failed) = (path.display(), lut.rows.len(), failed(lut));
    let known = known(lut).unwrap_or_else(|| wide(lut));
    format!("{path}: {rows} layers, {failed} failed; {known}")
}

/// The error of estimates, and how precisely networks and layers were measured; `None` if no networks were sampled. More
/// rounds improve only the measurement; an estimate can still be wrong because a network is not the sum of its layers.
fn known(lut: &Lut) -> Option<String> {
    let measured = measured(&lut.context.precision?);
    let estimates = match &lut.context.calibration {
        Some(calibration) => format!("estimates ± {}", rough(calibration.shape_half_width)),
        None => "estimates are not calibrated".to_owned(),
    };
    let alone = if lut.context.sessions.len() == 1 { format!("; {ONE_SESSION}") } else { String::new() };
    Some(format!("{estimates}; measured: {measured}{alone}"))
}

/// How precisely networks and layers were measured, as text.
pub(in super::super) fn measured(precision: &Precision) -> String {
    let width = |width: Option<f64>| width.map_or_else(|| "unknown".to_owned(), |width| format!("± {}", rough(width)));
    let (networks, rows) = (width(precision.networks), width(precision.rows));
    format!("sums of layers {networks}, layers {rows} in the median, {} of {} weak", precision.weak, precision.of)
}

/// Layers differ between processes by more than rounds within one can show.
pub(in super::super) const ONE_SESSION: &str = "one session: without the differences between processes";

/// The same if no networks were sampled.
fn wide(lut: &Lut) -> String {
    let wide = lut.rows.iter().filter(|row| row.flags.contains(&Flag::NotConverged)).count();
    format!("{wide} wider than {}", rough(ROW_WIDTH))
}

/// How many layers have no times.
pub(super) fn failed(lut: &Lut) -> usize {
    lut.rows.iter().filter(|row: &&Row| row.times.is_none()).count()
}

/// Whether the LUT's networks reach the requested precision. For isolated layers and for shards, the sessions decide.
pub(super) fn is_certain(lut: &Lut, converged: bool) -> bool {
    let wanted = lut.context.header.ci;
    lut.context.precision.map_or(converged, |precision| precision.networks.is_some_and(|width| width <= wanted))
}
