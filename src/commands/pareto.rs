//! `nasprof pareto`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nasprof_graph::arch::ArchFile;
use nasprof_lut::{Estimator, Predictor};
use nasprof_render::charts::{Guide, Point, Scatter, scatter_file};
use nasprof_render::replace_file;
use nasprof_search::csv_text::csv_bytes;
use nasprof_search::ranking::{Axis, Explored, Network, Predictors, SampleSettings, front};
use nasprof_spaces::Space;

use super::ranking::{Line, OfSpace, counts, latency, none_known, say, selections};
use super::table::{Tone, fit, paint, spare};
use super::{as_picture, print};
use crate::cli::{AgainstArg, ParetoArgs};
use crate::failure::Failure;
use crate::outputs::{Outputs, given};

/// Maximum number of networks to show.
const SHOWN: usize = 20;

pub(super) fn run(args: &ParetoArgs) -> Result<ExitCode, Failure> {
    let inputs = given([args.space.as_deref().map(Path::new)]).into_iter().chain(args.lut.iter().cloned());
    let outputs = Outputs::of(inputs);
    if let Some(path) = &args.output {
        outputs.check("-o", path, &["csv"])?;
    }
    if let Some(path) = &args.picture {
        outputs.check("--picture", path, &["svg", "png"])?;
    }
    if args.lut.len() > 2 {
        return Err(Failure::usage("--lut: a front has two axes, so two LUTs at most").hint("name one or two LUTs"));
    }
    for (option, is_given) in [("--against", args.against.is_some()), ("--least", args.least)] {
        if args.lut.len() == 2 && is_given {
            return Err(Failure::usage(format!("{option}: the other axis is the latency by the second --lut"))
                .hint(format!("leave out {option}, or give one LUT")));
        }
    }
    let read = |path: &PathBuf| OfSpace::read(path, args.space.as_deref(), args.timing);
    let luts = args.lut.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    if let [first, second] = &luts[..]
        && first.space.name != second.space.name
    {
        let (first, second) = (&first.space.name, &second.space.name);
        return Err(Failure::usage(format!("--lut: the first is of space `{first}`, the second of `{second}`"))
            .hint("give two LUTs of one space"));
    }
    let estimators: Vec<Estimator<'_>> = luts.iter().map(|of| Estimator::new(&of.lut)).collect();
    let mut each = luts.iter().zip(&estimators).map(|(of, estimator)| Predictor::new(&of.space, estimator));
    let first = each.next().ok_or_else(|| Failure::usage("give a LUT with --lut"))?;
    let predictors = Predictors { first, second: each.next() };
    let other = match (predictors.second.is_some(), args.against) {
        (true, _) => Axis::OtherLatency,
        (false, None | Some(AgainstArg::Macs)) => Axis::Macs { least: args.least },
        (false, Some(AgainstArg::Params)) => Axis::Params { least: args.least },
    };
    let settings = SampleSettings { samples: args.sampling.samples, seed: args.sampling.seed };
    let (networks, explored) = front(&predictors, [Axis::Latency, other], settings);
    if networks.is_empty() {
        return Err(none_known());
    }
    let space = &luts[0].space;
    if let Some(path) = &args.output {
        replace_file(path, &table(&networks, space, explored))?;
    }
    if let Some(path) = &args.picture {
        replace_file(path, &picture(&networks, space, other, path)?)?;
    }
    if args.json {
        networks.iter().try_for_each(|network| Line::new(network, space, None).print())?;
    } else {
        show(&networks, space)?;
    }
    say(explored);
    Ok(ExitCode::SUCCESS)
}

fn show(networks: &[Network], space: &Space) -> Result<(), Failure> {
    let other = networks.iter().any(|network| network.other_ms.is_some());
    let heading = if other { format!("{:>11} ", "second LUT") } else { String::new() };
    print(paint(Tone::Strong, format!("{:>11} {heading}{:>10} {:>10}  selected", "latency", "params", "MACs")))?;
    let step = networks.len().div_ceil(SHOWN).max(1);
    for network in networks.iter().step_by(step) {
        let other = network.other_ms.map_or_else(String::new, |ms| format!("{} ", latency(ms)));
        let selected = fit(&selections(network, space), 32 + spare());
        print(format!("{} {other}{}  {selected}", latency(network.latency_ms), counts(network)).trim_end())?;
    }
    if step > 1 {
        let all = networks.len();
        print(paint(Tone::Faint, format!("{all} networks, every {step}th shown; -o FILE.csv has all")))?;
    }
    Ok(())
}

/// The front as CSV. Every row says how much of the space was explored, so that this cannot be lost.
fn table(networks: &[Network], space: &Space, explored: Explored) -> Vec<u8> {
    let method = match explored {
        Explored::Sampled { samples, seed } => format!("sampled {samples} seed {seed}"),
        Explored::Enumerated { .. } | Explored::Exact => "exact".to_owned(),
    };
    let other = networks.iter().any(|network| network.other_ms.is_some());
    csv_bytes(|writer| {
        let columns = ["latency_ms"].into_iter().chain(other.then_some("other_latency_ms"));
        writer.write_record(columns.chain(["params", "macs", "method", "arch"]))?;
        for network in networks {
            let file = ArchFile::new(&space.name, &space.choices, &network.arch);
            let arch = serde_json::to_string(&file).unwrap_or_default();
            let latencies = [Some(network.latency_ms), network.other_ms].into_iter().flatten().map(|ms| ms.to_string());
            let rest = [network.params.to_string(), network.macs.to_string(), method.clone(), arch];
            writer.write_record(latencies.chain(rest))?;
        }
        Ok(())
    })
}

/// The front as a chart, in the format of the file's ending.
fn picture(networks: &[Network], space: &Space, other: Axis, path: &Path) -> Result<Vec<u8>, Failure> {
    let y_name = match other {
        Axis::OtherLatency => "latency by the second LUT, ms",
        Axis::Params { .. } => "parameters",
        _ => "MACs",
    };
    let at = |network: &Network| (network.latency_ms, other.of(network));
    let point = |network: &Network| {
        let (x, y) = at(network);
        Point { x, y, group: 0, title: selections(network, space) }
    };
    let svg = scatter_file(&Scatter {
        title: &format!("Pareto front of {}", space.name),
        x_name: "latency, ms",
        y_name,
        logarithmic: false,
        square: false,
        groups: Vec::new(),
        points: networks.iter().map(point).collect(),
        guides: vec![Guide {
            points: networks.iter().map(at).collect(),
            label: String::new(),
            at_end: false,
            dashed: true,
        }],
    });
    as_picture(svg, path)
}
