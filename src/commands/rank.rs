//! `nasprof rank`.

use std::process::ExitCode;

use nasprof_lut::{Estimator, Predictor};
use nasprof_search::ranking::{Axis, Explored, Limits, Network, Predictors, SampleSettings, rank, read_table};

use super::ranking::{Line, OfSpace, counts, latency, none_known, say, selections};
use super::table::{Tone, fit, paint, spare};
use super::{print, status};
use crate::cli::{RankArgs, RankBy};
use crate::failure::Failure;
use crate::resolve;

pub(super) fn run(args: &RankArgs) -> Result<ExitCode, Failure> {
    let OfSpace { lut, space } = OfSpace::read(&args.lut, args.space.as_deref(), args.timing)?;
    let estimator = Estimator::new(&lut);
    let mut predictors = Predictors { first: Predictor::new(&space, &estimator), second: None };
    let limits = Limits { latency_ms: args.max_latency, other_ms: None, params: args.max_params, macs: args.max_macs };
    let (ranked, explored) = match &args.accuracy_table {
        Some(path) => {
            let about = |f: Failure| f.context(format!("--accuracy-table {}", path.display()));
            let text = resolve::text_file(path).map_err(about)?;
            let table = read_table(&text, &args.column, &space).map_err(|e| {
                about(Failure::usage(e)).hint(
                    "the table needs the columns `arch` (architecture as JSON) and a number; see `nasprof rank --help`",
                )
            })?;
            let rows = table.len();
            let mut known: Vec<(Network, Option<f64>)> = table
                .into_iter()
                .filter_map(|row| Some((predictors.network(row.arch)?, Some(row.score))))
                .filter(|(network, _)| limits.allow(network))
                .collect();
            known.sort_by(|a, b| b.1.unwrap_or(f64::NAN).total_cmp(&a.1.unwrap_or(f64::NAN)));
            let within = known.len();
            known.truncate(args.top as usize);
            status(format!("{within} of the table's {rows} networks are within the limits"));
            (known, None)
        }
        None => {
            let axis = match args.by {
                RankBy::Latency => Axis::Latency,
                RankBy::Params => Axis::Params { least: false },
                RankBy::Macs => Axis::Macs { least: false },
            };
            let settings = SampleSettings { samples: args.sampling.samples, seed: args.sampling.seed };
            let (networks, explored) = rank(&predictors, axis, &limits, args.top as usize, settings);
            (networks.into_iter().map(|network| (network, None)).collect(), Some(explored))
        }
    };
    if ranked.is_empty() {
        return Err(nothing(&mut predictors, explored));
    }
    if args.json {
        ranked.iter().try_for_each(|(network, score)| Line::new(network, &space, *score).print())?;
    } else {
        show(&ranked, &space, args)?;
    }
    if let Some(explored) = explored {
        say(explored);
    }
    Ok(ExitCode::SUCCESS)
}

/// Why there is no network: the LUT knows none, or the limits allow none.
fn nothing(predictors: &mut Predictors<'_>, explored: Option<Explored>) -> Failure {
    let origin = nasprof_graph::Arch(vec![0; predictors.first.space().choices.len()]);
    if predictors.network(origin).is_none() {
        return none_known();
    }
    match explored {
        Some(Explored::Sampled { .. }) => Failure::usage("no network within the limits was found")
            .hint("raise a limit, or sample more networks with --samples"),
        _ => Failure::usage("no network is within the limits")
            .hint("raise a limit; `nasprof space show --lut` shows the range"),
    }
}

fn show(ranked: &[(Network, Option<f64>)], space: &nasprof_spaces::Space, args: &RankArgs) -> Result<(), Failure> {
    let score = args.accuracy_table.is_some().then(|| fit(&args.column, 10));
    let heading =
        format!("{:>6} {} {:>11} {:>10} {:>10}  selected", "", score.unwrap_or_default(), "latency", "params", "MACs");
    print(paint(Tone::Strong, heading))?;
    for (i, (network, score)) in ranked.iter().enumerate() {
        let score = score.map_or_else(String::new, |score| format!("{score:<10.4}"));
        let selected = fit(&selections(network, space), 32 + spare());
        let (latency, counts) = (latency(network.latency_ms), counts(network));
        print(format!("{:>6} {score} {latency} {counts}  {selected}", i + 1).trim_end())?;
    }
    Ok(())
}
