//! The output of ONNX Runtime's profiler.

use nasprof_base::statistics::trimmed_mean;
use nasprof_onnx::profile::{Profile, ProfileError, TensorType, read_profile};

use super::super::error::ImportError;
use super::Layer;

pub(super) fn read(text: &str) -> Result<Vec<Layer>, ImportError> {
    let profile = match read_profile(text.as_bytes()) {
        // Kernels alone are those of one run.
        Err(ProfileError::Empty) => read_profile(with_run(text).as_bytes()),
        other => other,
    };
    let profile = profile.map_err(|e| ImportError::Format(format!("it {e}")))?;
    Ok(layers(&profile))
}

/// The same events, and the end of a run.
fn with_run(text: &str) -> String {
    let events = text.trim_end().trim_end_matches(']').trim_end().trim_end_matches(',');
    format!("{events},{{\"cat\":\"Session\",\"name\":\"model_run\",\"ts\":0,\"dur\":0}}]")
}

/// The trimmed mean of each kernel over the runs after the first, which allocates: one run that was interrupted may take longer
/// than all others together.
fn layers(profile: &Profile) -> Vec<Layer> {
    let runs: Vec<Vec<u64>> =
        profile.runs.iter().filter(|run| !run.kernels.is_empty()).map(|run| run.by_node(profile.nodes.len())).collect();
    let counted = if runs.len() > 1 { &runs[1..] } else { &runs[..] };
    let shape = |tensor: &TensorType| tensor.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x");
    let layer = |(i, node): (usize, &nasprof_onnx::profile::ProfiledNode)| {
        let us: Vec<f64> = counted.iter().map(|run| run[i] as f64).collect();
        Layer {
            operator: node.operator.clone(),
            name: node.name.clone(),
            shapes: node.inputs.iter().map(shape).collect::<Vec<_>>().join(","),
            text: trimmed_mean(&us).unwrap_or(0.0).to_string(),
            samples: counted.len() as u64,
            macs: 0,
        }
    };
    profile.nodes.iter().enumerate().map(layer).collect()
}
