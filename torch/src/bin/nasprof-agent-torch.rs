//! `nasprof-agent-torch`: the agent for the back ends on libtorch. `nasprof` starts it.

use std::process::ExitCode;

use nasprof_agent::program;
use nasprof_profiler::backend::AGENT_TORCH;
use nasprof_profiler::protocol::Device;
use nasprof_torch::TorchDevice;
use nasprof_torch::cuda::CudaDevice;

fn main() -> ExitCode {
    program::run(AGENT_TORCH, &["torch", "cuda"], |backend| match backend {
        "torch" => Some(Ok(Box::new(TorchDevice::default()))),
        gpu if gpu.starts_with("cuda") => {
            Some(CudaDevice::named(gpu).map(|device| Box::new(device) as Box<dyn Device>))
        }
        _ => None,
    })
}
