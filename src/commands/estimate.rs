//! `nasprof estimate`.

mod explain;
mod stream;

use std::path::Path;
use std::process::ExitCode;

use nasprof_base::text::{count, ms};
use nasprof_graph::Arch;
use nasprof_graph::arch::ArchFile;
use nasprof_lut::{BlockEstimate, CurrentLevel, EnergyEstimate, Estimate, Estimator, Source, WholeNetwork, read};
use serde::Serialize;

use self::stream::Known;
use super::archs::Archs;
use super::context::{check_context, of_timing};
use super::table::{Tone, paint};
use super::{expected, level, print, print_json, status};
use crate::cli::EstimateArgs;
use crate::failure::{Exit, Failure};
use crate::resolve::{self, at_batch};

pub(super) fn run(args: &EstimateArgs) -> Result<ExitCode, Failure> {
    let lut = of_timing(read(&args.lut)?, &args.context)?;
    let header = &lut.context.header;
    let space = match &args.model {
        Some(model) => resolve::model(model, &args.shapes)?,
        None => resolve::space_or(args.space.as_deref(), &header.space, "the LUT")?,
    };
    let (space, identity) = at_batch(space, header.batch)?;
    check_context(&lut, &args.context, &space.name, &identity)?;
    if let Some(name) = &args.distribution {
        let probabilities = expected::distribution(name, &space)?;
        if args.json {
            print_json(&expected::to_json(&space, &lut, &probabilities, args.explain)?)?;
        } else {
            expected::show(&space, &lut, &probabilities)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let level = args.level_from.as_deref().map(|device| level::now(device, &args.settings.set, &lut, &space));
    let level = level.transpose()?;
    let (mut estimator, runtime) = (Estimator::new(&lut), header.runtime);
    if let Some(level) = level {
        estimator = estimator.at_level(level);
    }
    let whole = lut.measured(&identity);
    if args.model.is_some() {
        let arch = Arch(Vec::new());
        let estimate = estimator.estimate(&runtime.subnet(&space.graph, &arch)?);
        let complete = estimate.latency_ms.is_some();
        tell(args, None, (whole.get(&arch), level.as_ref()), estimate)?;
        return Ok(code(complete));
    }
    let mut complete = true;
    let mut archs = Archs::open(args.arch.as_deref().unwrap_or(Path::new("-")))?;
    if args.json && !args.explain && !archs.is_one() {
        return Ok(code(stream::run(&mut archs, &space, &estimator, &Known { whole, level: level.as_ref() })?));
    }
    while let Some((place, file)) = archs.next()? {
        let arch = file.resolve(&space.name, &space.choices).map_err(|e| Failure::from(e).context(place))?;
        let estimate = estimator.estimate(&runtime.subnet(&space.graph, &arch)?);
        complete &= estimate.latency_ms.is_some();
        tell(args, Some(&file), (whole.get(&arch), level.as_ref()), estimate)?;
    }
    Ok(code(complete))
}

/// An estimate as JSON, with its architecture; details only if requested.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    arch: Option<&'a ArchFile>,
    #[serde(flatten)]
    estimate: Estimate,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<&'a CurrentLevel>,
    /// Milliseconds of the whole network when the LUT was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    measured_ms: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    blocks: Vec<BlockEstimate>,
}

fn tell(
    args: &EstimateArgs,
    arch: Option<&ArchFile>,
    (whole, level): (Option<&WholeNetwork<'_>>, Option<&CurrentLevel>),
    mut estimate: Estimate,
) -> Result<(), Failure> {
    if !args.json {
        show(&estimate, level)?;
        if let Some(whole) = whole {
            print(format!("measured whole: {}, mean of {}", ms(whole.ms), count(whole.sessions, "session")))?;
        }
        return if args.explain { explain::explain(&estimate, args.rows, args.by_layer) } else { Ok(()) };
    }
    let blocks = if args.explain { estimate.blocks() } else { Vec::new() };
    if !args.explain {
        estimate.nodes.clear();
    }
    estimate.latency_ms = estimate.latency_ms.map(stream::shown);
    estimate.interval_ms = estimate.interval_ms.map(|ends| ends.map(stream::shown));
    let measured_ms = whole.map(|whole| stream::shown(whole.ms));
    print_json(&Line { arch, estimate, level, measured_ms, blocks })
}

/// The exit code: an unknown latency is an error.
fn code(complete: bool) -> ExitCode {
    if complete {
        return ExitCode::SUCCESS;
    }
    status("error: the LUT has no entry for some layers, so there is no estimate");
    status("hint: --explain lists them; measure their space, or run `nasprof lut check`");
    ExitCode::from(Exit::Usage as u8)
}

fn show(estimate: &Estimate, level: Option<&CurrentLevel>) -> Result<(), Failure> {
    let latency = latency(estimate, level);
    let (params, macs) = (estimate.params as f64 / 1e6, estimate.macs as f64 / 1e6);
    let memory = estimate.peak_memory_bytes as f64 / f64::from(1 << 20);
    print(format!("latency {latency}"))?;
    let level = level.map_or_else(String::new, |now| format!("; level {:.3} of the LUT's", now.level));
    print(format!("        {params:.3} M params, {macs:.1} M MACs, {memory:.1} MiB peak{level}"))?;
    if let Some(energy) = &estimate.energy {
        print(energy_line(energy))?;
    }
    if estimate.nodes.iter().any(|n| n.source == Source::Imported) {
        print(paint(Tone::Doubtful, "from an imported table with an unknown measurement method"))?;
    }
    for node in estimate.nodes.iter().filter(|n| !matches!(n.source, Source::Measured | Source::Imported)) {
        let why = match &node.source {
            Source::Failed(error) => format!("does not run on the device: {error}"),
            Source::Interpolated => "is interpolated between measured layers".to_owned(),
            _ => "is not in the LUT".to_owned(),
        };
        print(format!("  {} ({}) {why}", node.name, node.key))?;
    }
    if estimate.flags.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = estimate.flags.iter().map(|flag| flag.name()).collect();
    print(paint(Tone::Doubtful, format!("flags: {}", names.join(", "))))
}

/// Shape and level are reported separately: comparing networks needs the shape only, a deadline needs both.
fn latency(estimate: &Estimate, level: Option<&CurrentLevel>) -> String {
    let Some(latency) = estimate.latency_ms else {
        return "unknown: some layers have no entry".to_owned();
    };
    match (estimate.shape_half_width.zip(estimate.level_half_width), level) {
        (Some((shape, another)), None) => {
            let (ms, shape, another) = (ms(latency), half_width(shape), half_width(another));
            format!("{ms} {shape} at the LUT's level (another session: {another})")
        }
        (Some((shape, another)), Some(_)) => {
            let (ms, shape, another) = (ms(latency), half_width(shape), half_width(another));
            format!("{ms} {shape} at the current level (another process: {another})")
        }
        (None, _) => format!("{} (no interval: the LUT has no calibration)", ms(latency)),
    }
}

/// A half-width in percent, with two digits.
pub(super) fn half_width(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 9.95 { format!("± {percent:.1} %") } else { format!("± {percent:.0} %") }
}

fn energy_line(energy: &EnergyEstimate) -> String {
    let how = match energy.interval_mj {
        Some([low, high]) => format!("({low:.4} to {high:.4} mJ, scaled by anchors)"),
        None => "(plain sum of layers: too few anchors were measured)".to_owned(),
    };
    format!("energy {:.4} mJ {how}; {}, ± {:.4} mJ", energy.energy_mj, energy.method, energy.resolution_mj)
}
