//! `nasprof-agent`: runs on the device that is measured and speaks [`nasprof_profiler::protocol`] on its standard
//! input and output. `nasprof` starts it; there is nothing to type.

use std::io;
use std::process::ExitCode;

use nasprof_profiler::protocol::Device;
use nasprof_profiler::{serve, synthetic};

fn main() -> ExitCode {
    let mut backends = vec!["synthetic".to_owned()];
    if cfg!(feature = "torch") {
        backends.push("torch".to_owned());
    }
    match serve::serve(io::stdin().lock(), io::stdout().lock(), backends, open) {
        Ok(()) => ExitCode::SUCCESS,
        // The host is gone: nobody is left to tell.
        Err(_) => ExitCode::FAILURE,
    }
}

fn open(backend: &str) -> Result<Box<dyn Device>, String> {
    if let Some(name) = backend.strip_prefix("synthetic:") {
        return Ok(Box::new(synthetic::SyntheticDevice::named(name)?));
    }
    match backend {
        #[cfg(feature = "torch")]
        "torch" => Ok(Box::new(nasprof_profiler::torch::TorchDevice::default())),
        #[cfg(not(feature = "torch"))]
        "torch" => Err("this agent was built without the feature `torch`".to_owned()),
        other => Err(format!("this agent has no back end `{other}`")),
    }
}
