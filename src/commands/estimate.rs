//! `nasprof estimate`.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::ExitCode;

use nasprof_base::text::{ms, percent};
use nasprof_graph::Arch;
use nasprof_graph::arch::ArchFile;
use nasprof_lut::{EnergyEstimate, Estimate, Estimator, Lut, Source, read};

use super::table::{Tone, bar, fit, fit_ends, paint, spare};
use super::{expected, print, print_json, say};
use crate::cli::{ContextArgs, EstimateArgs};
use crate::failure::{Exit, Failure};
use crate::resolve::{self, at_batch};

/// An architecture file is a few kilobytes.
const MAX_LINE: u64 = 16 << 20;

pub(super) fn run(args: &EstimateArgs) -> Result<ExitCode, Failure> {
    let lut = read(&args.lut)?;
    let (space, digest) = at_batch(resolve::source(&args.source)?, lut.context.header.batch)?;
    expect(&lut, &args.context, &space.name, &digest)?;
    if let Some(name) = &args.distribution {
        let probabilities = expected::distribution(name, &space)?;
        if args.json {
            print_json(&expected::to_json(&space, &lut, &probabilities, args.explain)?)?;
        } else {
            expected::show(&space, &lut, &probabilities)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let estimator = Estimator::new(&lut);
    let runtime = lut.context.header.runtime;
    let mut complete = true;
    if args.source.model.is_some() {
        let estimate = estimator.estimate(&runtime.subnet(&space.graph, &Arch(Vec::new()))?);
        if args.json {
            print_json(&estimate)?
        } else {
            show(&estimate, args.explain)?
        }
        return Ok(code(estimate.latency_ms.is_some()));
    }
    let mut one = |text: &str, what: &str| -> Result<(), Failure> {
        let about = |f: Failure| f.about(what);
        let file: ArchFile = serde_json::from_str(text)
            .map_err(|e| about(Failure::usage(nasprof_base::suggest::explain(&e.to_string()))))?;
        let arch = file.resolve(&space.name, &space.choices).map_err(|e| about(e.into()))?;
        let estimate = estimator.estimate(&runtime.subnet(&space.graph, &arch)?);
        complete &= estimate.latency_ms.is_some();
        if args.json { print_json(&estimate) } else { show(&estimate, args.explain) }
    };
    let arch = args.arch.as_deref().unwrap_or(Path::new("-"));
    if arch == Path::new("-") {
        let mut input = BufReader::new(io::stdin().lock());
        for number in 1.. {
            let mut line = String::new();
            let read = input.by_ref().take(MAX_LINE).read_line(&mut line);
            if read.map_err(|e| Failure::usage(format!("standard input: {e}")))? == 0 {
                break;
            }
            if !line.trim().is_empty() {
                one(&line, &format!("standard input, line {number}"))?;
            }
        }
    } else {
        let what = format!("--arch {}", arch.display());
        one(&resolve::text_file(arch).map_err(|f| f.about(&what))?, &what)?;
    }
    Ok(code(complete))
}

/// A latency that is not known is no success.
fn code(complete: bool) -> ExitCode {
    if complete {
        return ExitCode::SUCCESS;
    }
    say("error: the LUT has no entry for some layers: without them there is no latency");
    say("hint: --explain names them; measure the space they are in, or `nasprof lut check` the LUT");
    ExitCode::from(Exit::Usage as u8)
}

/// Refuses a LUT that is not of the space, or not of what the options ask for.
pub(super) fn expect(lut: &Lut, args: &ContextArgs, space: &str, digest: &str) -> Result<(), Failure> {
    Ok(lut.expect(&[
        ("space", Some(space.to_owned())),
        ("space_digest", Some(digest.to_owned())),
        ("backend", args.backend.clone()),
        ("threads", args.threads.map(|t| t.to_string())),
        ("batch", args.batch.map(|b| b.to_string())),
        ("allocator", args.allocator.map(|a| resolve::allocator(a).name().to_owned())),
    ])?)
}

fn show(estimate: &Estimate, explain: bool) -> Result<(), Failure> {
    let latency = match (estimate.latency_ms, estimate.interval_ms) {
        (Some(latency), Some([low, high])) => {
            format!("{} ({} to {})", ms(latency), ms(low).trim_end_matches(" ms"), ms(high))
        }
        (Some(latency), None) => format!("{} (no interval: the LUT has no calibration)", ms(latency)),
        (None, _) => "unknown: some layers have no entry".to_owned(),
    };
    let (params, macs) = (estimate.params as f64 / 1e6, estimate.macs as f64 / 1e6);
    let memory = estimate.peak_memory_bytes as f64 / f64::from(1 << 20);
    print(format!("latency {latency}; {params:.3} M params, {macs:.1} M MACs, {memory:.1} MiB peak"))?;
    if let Some(energy) = &estimate.energy {
        print(energy_line(energy))?;
    }
    if estimate.nodes.iter().any(|n| n.source == Source::Imported) {
        print(paint(Tone::Doubtful, "from an imported table: how it was measured is not known"))?;
    }
    for node in estimate.nodes.iter().filter(|n| !matches!(n.source, Source::Measured | Source::Imported)) {
        let why = match &node.source {
            Source::Failed(error) => format!("does not run on the device: {error}"),
            Source::Interpolated => "is between measured layers".to_owned(),
            _ => "is not in the LUT".to_owned(),
        };
        print(format!("  {} ({}) {why}", node.name, node.key))?;
    }
    if explain {
        explanation(estimate)?;
    }
    if estimate.flags.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = estimate.flags.iter().map(|flag| flag.name()).collect();
    print(paint(Tone::Doubtful, format!("flags: {}", names.join(", "))))
}

fn energy_line(energy: &EnergyEstimate) -> String {
    let how = match energy.interval_mj {
        Some([low, high]) => format!("({low:.4} to {high:.4} mJ, from whole networks)"),
        None => "(sum of layers alone: too few whole networks were counted)".to_owned(),
    };
    format!("energy {:.4} mJ {how}; {}, ± {:.4} mJ", energy.energy_mj, energy.method, energy.resolution_mj)
}

/// Every layer, the most expensive first, with where its number came from.
fn explanation(estimate: &Estimate) -> Result<(), Failure> {
    let mut nodes: Vec<_> = estimate.nodes.iter().collect();
    nodes.sort_by(|a, b| b.latency_ms.unwrap_or(f64::MAX).total_cmp(&a.latency_ms.unwrap_or(f64::MAX)));
    let largest = nodes.iter().filter_map(|n| n.share).fold(f64::MIN_POSITIVE, f64::max);
    let heading = format!("{} {:>11} {:>8} {:<10} from", fit("layer", 35 + spare()), "time", "share", "");
    print(format!("\n{}", paint(Tone::Strong, heading)))?;
    for node in nodes {
        let time = node.latency_ms.map_or_else(|| "unknown".to_owned(), ms);
        let share = node.share.map_or_else(|| "–".to_owned(), percent);
        let source = match node.source {
            Source::Measured => paint(Tone::Good, "measured"),
            Source::Imported => paint(Tone::Doubtful, "imported"),
            Source::Interpolated => paint(Tone::Doubtful, "interpolated"),
            Source::Missing => paint(Tone::Bad, "MISSING"),
            Source::Failed(_) => paint(Tone::Bad, "FAILED"),
        };
        let (name, bar) =
            (fit_ends(&node.name, 12 + spare() / 2, 35 + spare()), bar(node.share.unwrap_or(0.0) / largest, 10));
        print(format!("{name} {time:>11} {share:>8} {bar} {source}"))?;
    }
    Ok(())
}
