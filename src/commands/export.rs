//! `nasprof export`.

use std::path::Path;
use std::process::ExitCode;

use nasprof_graph::runtime::Runtime;
use nasprof_render::{diagram, replace_file};
use serde_json::json;

use super::archs::Archs;
use super::{export_onnx, path_text, print, print_json};
use crate::cli::{ExportArgs, ExportFormat, ViewArg};
use crate::failure::Failure;
use crate::outputs::{Outputs, given};
use crate::resolve;

pub(super) fn run(args: &ExportArgs) -> Result<ExitCode, Failure> {
    let about = |f: Failure| f.context(format!("--arch {}", args.arch.display()));
    let to = format(args)?;
    if args.weights.is_some() && to != ExportFormat::Onnx {
        return Err(Failure::usage("--weights: only ONNX models have weights").hint("use --to onnx"));
    }
    if args.precision.is_some() && to != ExportFormat::Onnx {
        return Err(Failure::usage("--precision: only ONNX models have one").hint("use --to onnx"));
    }
    let space_file = args.space.as_deref().map(Path::new);
    let inputs = given([Some(args.arch.as_path()), space_file, args.weights.as_deref()]);
    Outputs::of(inputs).check("-o", &args.output, endings(to))?;
    let file = Archs::open(&args.arch)?.only()?;
    let space = resolve::space_or(args.space.as_deref(), &file.space, "the architecture")?;
    let arch = file.resolve(&space.name, &space.choices).map_err(|e| about(e.into()))?;
    // Networks are drawn as libtorch runs them: unfused, and without operations that only pass their input on.
    let runtime = Runtime::TorchEager;
    let content = match (to, args.view) {
        (ExportFormat::Onnx, None | Some(ViewArg::Network)) => {
            return export_onnx::run(args, &space, &arch);
        }
        (ExportFormat::Onnx, Some(_)) => {
            return Err(Failure::usage("--view: an ONNX model has only one view"));
        }
        (ExportFormat::Svg, None | Some(ViewArg::Architecture)) => diagram::architecture(&space, &arch, None)?.to_svg(),
        (ExportFormat::Svg, Some(ViewArg::Network)) => {
            diagram::network(runtime.subnet(&space.graph, &arch)?.graph()).to_svg()
        }
        (ExportFormat::Svg, Some(ViewArg::Supernet)) => diagram::supernet(&space, &arch, runtime)?.to_svg(),
        (ExportFormat::Dot, Some(ViewArg::Supernet)) => {
            diagram::dot(&space.graph, &diagram::states(&space.graph, &arch, runtime)?)
        }
        (ExportFormat::Dot, None | Some(ViewArg::Network)) => {
            let graph = runtime.subnet(&space.graph, &arch)?;
            diagram::dot(&graph, &vec![diagram::State::Runs; graph.nodes().len()])
        }
        (ExportFormat::Dot, Some(ViewArg::Architecture)) => {
            return Err(Failure::usage("--view architecture: not available as a graph")
                .hint("use --to svg, or --view network or supernet"));
        }
    };
    replace_file(&args.output, content.as_bytes())?;
    if args.json {
        print_json(&json!({"file": path_text(&args.output), "bytes": content.len()}))?;
    } else {
        print(args.output.display().to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The export format: from `--to`, else from the output's ending.
fn format(args: &ExportArgs) -> Result<ExportFormat, Failure> {
    if let Some(to) = args.to {
        return Ok(to);
    }
    let ending = args.output.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
    let all = [ExportFormat::Svg, ExportFormat::Dot, ExportFormat::Onnx];
    all.into_iter().find(|to| endings(*to).contains(&ending.as_str())).ok_or_else(|| {
        Failure::usage(format!("-o {}: unknown extension", args.output.display()))
            .hint("pass --to, or name a file that ends in .svg, .dot or .onnx")
    })
}

fn endings(to: ExportFormat) -> &'static [&'static str] {
    match to {
        ExportFormat::Svg => &["svg"],
        ExportFormat::Dot => &["dot", "gv"],
        ExportFormat::Onnx => &["onnx"],
    }
}
