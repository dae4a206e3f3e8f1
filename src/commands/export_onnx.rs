//! `nasprof export --to onnx`.

use std::process::ExitCode;

use nasprof_graph::Arch;
use nasprof_graph::arch::ArchFile;
use nasprof_graph::runtime::Runtime;
use nasprof_onnx::{Floats, Weights, write_in};
use nasprof_profiler::protocol::Precision;
use nasprof_render::replace_file;
use nasprof_spaces::Space;
use serde_json::json;

use super::{path_text, print, print_json, status};
use crate::cli::ExportArgs;
use crate::failure::Failure;
use crate::resolve::{self, file_name, model_file};

/// Writes the network of one architecture as an ONNX model.
pub(super) fn run(args: &ExportArgs, space: &Space, arch: &Arch) -> Result<ExitCode, Failure> {
    let precision = args.precision.map_or(Precision::Float32, resolve::precision);
    let (runtime, floats) = match precision {
        Precision::Float32 => (Runtime::TorchEager, Floats::Single),
        Precision::Float16 => (Runtime::TorchEager, Floats::Half),
        Precision::Int8 => (Runtime::OnnxRuntimeInt8, Floats::Single),
        other => {
            return Err(Failure::usage(format!("--precision {}: not supported for ONNX models", other.name()))
                .hint("use float32, float16 or int8"));
        }
    };
    if precision == Precision::Int8 && args.weights.is_some() {
        return Err(Failure::usage(
            "--weights with --precision int8: the scales are not calibrated, so the outputs would be wrong",
        )
        .hint("export in float32, and quantize that model with ONNX Runtime's tools on your data"));
    }
    let network = runtime.subnet(&space.graph, arch)?;
    let network = network.graph();
    let in_context = |f: Failure| match &args.weights {
        Some(path) => f.context(format!("--weights {}", path.display())),
        None => f,
    };
    let file = args.weights.as_deref().map(model_file).transpose().map_err(in_context)?;
    let weights = match &file {
        Some(bytes) => Weights::trained(bytes).map_err(|e| in_context(e.into()))?,
        None => Weights::Random { seed: args.seed },
    };
    let arch = ArchFile::new(&space.name, &space.choices, arch);
    let mut metadata = vec![("nasprof.arch", serde_json::to_string(&arch).map_err(Failure::internal)?)];
    match &args.weights {
        Some(path) => {
            let name = path.file_name().unwrap_or(path.as_os_str());
            metadata.push(("nasprof.weights", format!("trained, from {}", name.to_string_lossy())));
        }
        None => metadata
            .extend([("nasprof.weights", "random, not trained".to_owned()), ("nasprof.seed", args.seed.to_string())]),
    }
    let content =
        write_in(network, &file_name(&space.name), &weights, &metadata, floats).map_err(|e| in_context(e.into()))?;
    replace_file(&args.output, &content)?;
    if args.weights.is_none() {
        status(format!(
            "note: the weights are random (seed {}), good for measuring only; --weights uses trained ones",
            args.seed
        ));
    }
    if args.json {
        let seed = args.weights.is_none().then_some(args.seed);
        let cost = network.cost();
        print_json(&json!({
            "file": path_text(&args.output), "bytes": content.len(), "params": cost.params, "macs": cost.macs,
            "weights": if seed.is_some() { "random" } else { "trained" }, "seed": seed,
            "precision": precision.name(),
        }))?;
    } else {
        print(args.output.display().to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}
