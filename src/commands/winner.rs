//! The winner of a search on its device: measured whole, in the context of the LUT.

use std::process::ExitCode;
use std::sync::Arc;

use nasprof_base::text::{ms, percent};
use nasprof_graph::Arch;
use nasprof_graph::arch::ArchFile;
use nasprof_lut::Lut;
use nasprof_search::config::Experiment;
use nasprof_search::winner::{DeviceEvaluator, Latency, Measured};

use super::{context, level, status, validate};
use crate::cli::SearchArgs;
use crate::failure::Failure;
use crate::resolve;

/// The LUT for measuring the winner. Problems that would prevent it are reported before hours of training, not after.
pub(super) fn lut_to_measure_with(args: &SearchArgs, experiment: &Experiment) -> Result<Option<Arc<Lut>>, Failure> {
    let Some(device) = &experiment.device else { return Ok(None) };
    let hint = "set `lut` of a latency regularizer to a LUT of this device, or remove `device`";
    let none = || Failure::usage(format!("key `device`: no LUT of `{device}` to measure the winner with")).hint(hint);
    let lut = experiment.lut_of_device()?.ok_or_else(none)?;
    context::check_clocks(&lut, args.lock_clocks)?;
    resolve::device(&lut.context.header.device, &[])?;
    Ok(Some(lut))
}

/// Fails if the measured winner exceeds a hard limit.
pub(super) fn within_limit(latency: &Latency) -> Result<ExitCode, Failure> {
    match (latency.within_limit, latency.limit_ms, &latency.measured) {
        (Some(false), Some(limit), Some(measured)) => {
            let tried = latency.selections.len();
            let problem = format!(
                "none of {tried} selected networks takes at most {} on {}; the closest takes {}",
                ms(limit),
                measured.device,
                ms(measured.latency_ms)
            );
            Err(Failure::usage(problem)
                .hint("raise the limit, or measure the LUT again; result.json lists all measured networks"))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Measures whole winners on the device, in the context of the LUT.
pub(super) struct DeviceContext<'a> {
    space: &'a str,
    lut: &'a Lut,
    allow_noisy: bool,
}

impl<'a> DeviceContext<'a> {
    pub(super) fn new(experiment: &'a Experiment, lut: &'a Lut, args: &SearchArgs) -> Self {
        Self { space: &experiment.space, lut, allow_noisy: args.allow_noisy }
    }
}

impl DeviceEvaluator for DeviceContext<'_> {
    type Error = Failure;

    fn level(&mut self) -> Result<Option<f64>, Failure> {
        let context = &self.lut.context;
        if context.anchors.is_empty() {
            return Ok(None);
        }
        let (space, _) = resolve::at_batch(resolve::space(self.space)?, context.header.batch)?;
        let now = level::now(&context.header.device, &[], self.lut, &space)?;
        status(format!("the device runs at {:.3} of the LUT's level now", now.level));
        Ok(Some(now.level))
    }

    fn measure(&mut self, arch: &ArchFile) -> Result<Measured, Failure> {
        let measured = self.measure_side_by_side(std::slice::from_ref(arch))?;
        measured.into_iter().next().ok_or_else(|| Failure::internal("the winner was not measured"))
    }

    fn measure_side_by_side(&mut self, archs: &[ArchFile]) -> Result<Vec<Measured>, Failure> {
        let lut = self.lut;
        let of = resolve::space(self.space)?;
        let networks = archs.iter().map(|arch| Ok(arch.resolve(&of.name, &of.choices)?));
        let networks = networks.collect::<Result<Vec<Arch>, Failure>>()?;
        let validation = validate::measure_networks(lut, self.space, &networks, self.allow_noisy)?;
        if validation.disturbed_processes > 0 {
            status(validate::disturbed(validation.disturbed_processes));
        }
        if let Some(words) = validation.level.and_then(|level| unlike_the_lut(level, lut)) {
            words.lines().for_each(status);
        }
        let of_row = |arch: &ArchFile| {
            let row = validation.rows.iter().find(|row| row.arch == *arch);
            let row = row.ok_or_else(|| Failure::internal("a winner was not measured"))?;
            Ok(Measured {
                latency_ms: row.measured_ms,
                ci_ms: row.ci,
                processes_ms: row.processes_ms.clone(),
                disturbed_processes: validation.disturbed_processes,
                level: validation.level,
                device: lut.context.header.device.clone(),
                timing: validation.timing,
                allow_noisy: self.allow_noisy,
            })
        };
        archs.iter().map(of_row).collect()
    }
}

/// A warning if the device's level is outside the range that the sessions of its LUT suggest.
fn unlike_the_lut(level: f64, lut: &Lut) -> Option<String> {
    let expected = lut.context.calibration.as_ref()?.level_half_width;
    (level.ln().abs() > expected).then(|| {
        format!(
            "warning: the device's level is {level:.3} of the LUT's, outside the expected {} (95 %); the winner's \
             latency may be wrong\nhint: stop other programs, restore the clocks, or measure the LUT again",
            percent(expected)
        )
    })
}
