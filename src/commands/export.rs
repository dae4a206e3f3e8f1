//! `nasprof export`.

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use nasprof_graph::arch::ArchFile;
use nasprof_graph::runtime::Runtime;
use nasprof_render::{draw, replace_file};
use serde_json::json;

use super::{export_onnx, print, print_json};
use crate::cli::{ExportArgs, ExportFormat, ViewArg};
use crate::failure::Failure;
use crate::resolve;

/// An architecture file is a few kilobytes.
const MAX_ARCH: u64 = 16 << 20;

pub(super) fn run(args: &ExportArgs) -> Result<ExitCode, Failure> {
    let space = resolve::space(&args.space)?;
    let about = |f: Failure| f.about(format!("--arch {}", args.arch.display()));
    let text = text(&args.arch).map_err(|e| about(Failure::usage(e)))?;
    let file: ArchFile = serde_json::from_str(&text)
        .map_err(|e| about(Failure::usage(nasprof_base::suggest::explain(&e.to_string()))))?;
    let arch = file.resolve(&space.name, &space.choices).map_err(|e| about(e.into()))?;
    // What runs is drawn as libtorch runs it: nothing fused, what hands its input on left out.
    let runtime = Runtime::TorchEager;
    if args.weights.is_some() && !matches!(args.to, ExportFormat::Onnx) {
        return Err(Failure::usage("--weights: only an ONNX model holds weights").hint("--to onnx writes one"));
    }
    let content = match (args.to, args.view) {
        (ExportFormat::Onnx, None | Some(ViewArg::Network)) => {
            return export_onnx::run(args, &space, &arch, runtime.subnet(&space.graph, &arch)?.graph());
        }
        (ExportFormat::Onnx, Some(_)) => {
            return Err(Failure::usage("--view: an ONNX model is the network that runs"));
        }
        (ExportFormat::Svg, None | Some(ViewArg::Architecture)) => draw::architecture(&space, &arch, None)?.to_svg(),
        (ExportFormat::Svg, Some(ViewArg::Network)) => {
            draw::network(runtime.subnet(&space.graph, &arch)?.graph()).to_svg()
        }
        (ExportFormat::Svg, Some(ViewArg::Supernet)) => draw::supernet(&space, &arch, runtime)?.to_svg(),
        (ExportFormat::Dot, Some(ViewArg::Supernet)) => {
            draw::dot(&space.graph, &draw::states(&space.graph, &arch, runtime)?)
        }
        (ExportFormat::Dot, None | Some(ViewArg::Network)) => {
            let graph = runtime.subnet(&space.graph, &arch)?;
            draw::dot(&graph, &vec![draw::State::Runs; graph.nodes().len()])
        }
        (ExportFormat::Dot, Some(ViewArg::Architecture)) => {
            return Err(Failure::usage("--view architecture is a picture, not a graph")
                .hint("--to svg draws it; --to dot writes --view network or supernet"));
        }
    };
    replace_file(&args.output, content.as_bytes())?;
    if args.json {
        print_json(&json!({"file": args.output, "bytes": content.len()}))?;
    } else {
        print(args.output.display().to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(MAX_ARCH).read_to_string(&mut text)?;
    } else {
        std::fs::File::open(path)?.take(MAX_ARCH).read_to_string(&mut text)?;
    }
    Ok(text)
}
