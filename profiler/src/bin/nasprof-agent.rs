//! `nasprof-agent`: runs on the device that is measured and speaks [`nasprof_profiler::protocol`] on its standard
//! input and output. `nasprof` starts it; there is nothing to type.
//!
//! `nasprof-agent supervise [LOCK TOKEN OWNER]` is the end of a link on a board; it starts the agents there. With the
//! argument `hold-clocks` it is the process that holds the device's clocks ([`nasprof_profiler::clocks`]).

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nasprof_profiler::clocks::{self, ClockedDevice, HOLD_ARGUMENT};
use nasprof_profiler::protocol::Device;
use nasprof_profiler::supervise::{self, Claim};
use nasprof_profiler::{serve, synthetic};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let result = match arguments.split_first() {
        None => serve_here(),
        Some((word, claim)) if word == "supervise" => supervise_here(claim),
        Some((word, root)) if word == HOLD_ARGUMENT => {
            let root = root.first().map_or_else(|| PathBuf::from("/"), PathBuf::from);
            clocks::hold(&root, io::stdin().lock(), io::stdout().lock()).map_err(io::Error::other)
        }
        Some(_) => Err(io::Error::other("usage: nasprof-agent [supervise [LOCK TOKEN OWNER]]")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("nasprof-agent: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Words go to the error output, which the host shows if the agent ends. Nobody may be left to read them.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn supervise_here(claim: &[OsString]) -> io::Result<()> {
    let text = |argument: &OsString| argument.to_string_lossy().into_owned();
    let claim = match claim {
        [] => None,
        [file, token, owner] => Some(Claim { file: file.into(), token: text(token), owner: text(owner) }),
        _ => return Err(io::Error::other("a claim is LOCK TOKEN OWNER")),
    };
    supervise::supervise(claim.as_ref())
}

fn serve_here() -> io::Result<()> {
    // Whoever started us is the only one who can use us: nothing is left behind if it is killed.
    set_pdeathsig(Signal::SIGKILL)?;
    // Tests put a made-up /sys and the state that is kept for recovery below another root.
    let root = std::env::var_os("NASPROF_ROOT").map_or_else(|| PathBuf::from("/"), PathBuf::from);
    match clocks::recover(&root) {
        Ok(false) => {}
        Ok(true) => say("restored the clocks that an earlier measurement had left locked"),
        Err(error) => say(&format!("cannot restore the clocks that an earlier measurement had left locked: {error}")),
    }
    let mut backends = vec!["synthetic".to_owned()];
    if cfg!(feature = "torch") {
        backends.extend(["torch".to_owned(), "cuda".to_owned()]);
    }
    serve::serve(io::stdin().lock(), io::stdout().lock(), backends, &root, |backend| open(backend, &root))
}

fn open(backend: &str, root: &Path) -> Result<Box<dyn Device>, String> {
    if let Some(name) = backend.strip_prefix("synthetic:") {
        let device = Box::new(synthetic::SyntheticDevice::named(name)?);
        // A simulated device has a machine only where that is made up too.
        let real = root == Path::new("/");
        return Ok(if real { device } else { Box::new(ClockedDevice::new(device, root)) });
    }
    #[cfg(feature = "torch")]
    if backend.starts_with("cuda") {
        let device = Box::new(nasprof_profiler::cuda::CudaDevice::named(backend)?);
        return Ok(Box::new(ClockedDevice::new(device, root)));
    }
    match backend {
        #[cfg(feature = "torch")]
        "torch" => Ok(Box::new(ClockedDevice::new(Box::new(nasprof_profiler::torch::TorchDevice::default()), root))),
        #[cfg(not(feature = "torch"))]
        "torch" => Err("this agent was built without the feature `torch`".to_owned()),
        other => Err(format!("this agent has no back end `{other}`")),
    }
}
