//! `nasprof-agent`: runs on the device that is measured and speaks [`nasprof_profiler::protocol`] on its standard
//! input and output. `nasprof` starts it; there is nothing to type.
//!
//! With the argument `hold-clocks` it is the process that holds the device's clocks ([`nasprof_profiler::clocks`]).

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nasprof_profiler::clocks::{self, ClockedDevice, HOLD_ARGUMENT};
use nasprof_profiler::protocol::Device;
use nasprof_profiler::{serve, synthetic};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|argument| argument == HOLD_ARGUMENT) {
        let root = arguments.next().map_or_else(|| PathBuf::from("/"), PathBuf::from);
        return done(clocks::hold(&root, io::stdin().lock(), io::stdout().lock()));
    }
    // Tests put a made-up /sys and the state that is kept for recovery below another root.
    let root = std::env::var_os("NASPROF_ROOT").map_or_else(|| PathBuf::from("/"), PathBuf::from);
    match clocks::recover(&root) {
        Ok(false) => {}
        Ok(true) => say("restored the clocks that an earlier measurement had left locked"),
        Err(error) => say(&format!("cannot restore the clocks that an earlier measurement had left locked: {error}")),
    }
    let mut backends = vec!["synthetic".to_owned()];
    if cfg!(feature = "torch") {
        backends.push("torch".to_owned());
    }
    // If this fails, the host is gone: nobody is left to tell.
    done(serve::serve(io::stdin().lock(), io::stdout().lock(), backends, |backend| open(backend, &root)))
}

fn done<E>(result: Result<(), E>) -> ExitCode {
    if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Words go to the error output, which the host shows if the agent ends.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn open(backend: &str, root: &Path) -> Result<Box<dyn Device>, String> {
    if let Some(name) = backend.strip_prefix("synthetic:") {
        let device = Box::new(synthetic::SyntheticDevice::named(name)?);
        // A simulated device has a machine only where that is made up too.
        let real = root == Path::new("/");
        return Ok(if real { device } else { Box::new(ClockedDevice::new(device, root)) });
    }
    match backend {
        #[cfg(feature = "torch")]
        "torch" => Ok(Box::new(ClockedDevice::new(Box::new(nasprof_profiler::torch::TorchDevice::default()), root))),
        #[cfg(not(feature = "torch"))]
        "torch" => Err("this agent was built without the feature `torch`".to_owned()),
        other => Err(format!("this agent has no back end `{other}`")),
    }
}
