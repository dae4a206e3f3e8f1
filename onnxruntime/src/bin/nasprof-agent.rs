//! `nasprof-agent`: runs on the measured device and speaks [`nasprof_profiler::protocol`] on stdin and stdout.
//! `nasprof` starts it. It has synthetic devices, and ONNX Runtime, which it loads when it is asked for.

use std::process::ExitCode;

use nasprof_agent::program;
use nasprof_onnxruntime::OnnxRuntimeDevice;
use nasprof_profiler::backend::AGENT;
use nasprof_profiler::protocol::Device;

fn main() -> ExitCode {
    program::run(AGENT, &["onnxruntime"], |backend| {
        let device = OnnxRuntimeDevice::named(backend)?;
        Some(device.map(|device| Box::new(device) as Box<dyn Device>))
    })
}
