//! The common part of all agent programs: arguments, lifetime, synthetic devices.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nasprof_base::env_path::env_path;
use nasprof_profiler::protocol::Device;
use nasprof_profiler::synthetic::SyntheticDevice;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

use crate::clocks::{self, ClockedDevice, HOLD_ARGUMENT};
use crate::serve::serve;
use crate::supervise::{self, Claim};

/// A device or an error. `None`: the program does not have this back end.
pub type Opened = Option<Result<Box<dyn Device>, String>>;

/// Runs an agent named `name`. It serves synthetic devices and `backends`; `open` opens a back end by its full name.
///
/// Without arguments it serves requests on stdin and stdout. With `supervise [LOCK TOKEN OWNER]` it is the supervisor at the
/// board's end of a link and starts agents there. With `hold-clocks` it is the process that holds the device's clocks.
pub fn run(name: &str, backends: &[&str], open: impl Fn(&str) -> Opened) -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let result = match arguments.split_first() {
        None => serve_here(name, backends, open),
        Some((word, claim)) if word == "supervise" => supervise_here(claim),
        Some((word, root)) if word == HOLD_ARGUMENT => {
            let root = root.first().map_or_else(|| PathBuf::from("/"), PathBuf::from);
            clocks::hold(&root, io::stdin().lock(), io::stdout().lock()).map_err(io::Error::other)
        }
        Some(_) => Err(io::Error::other(format!("usage: {name} [supervise [LOCK TOKEN OWNER]]"))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log(&format!("{name}: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Writes a line to stderr; the host shows stderr if the agent ends. Write errors are ignored, because the reader may be
/// gone.
fn log(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn supervise_here(claim: &[OsString]) -> io::Result<()> {
    let text = |argument: &OsString| argument.to_string_lossy().into_owned();
    let claim = match claim {
        [] => None,
        [file, token, owner] => Some(Claim { file: file.into(), token: text(token), owner: text(owner) }),
        _ => return Err(io::Error::other("supervise takes LOCK TOKEN OWNER, or nothing")),
    };
    supervise::supervise(claim.as_ref())
}

fn serve_here(name: &str, backends: &[&str], open: impl Fn(&str) -> Opened) -> io::Result<()> {
    // Only the parent process can use this agent, so the agent dies with it.
    set_pdeathsig(Signal::SIGKILL)?;
    // Tests use another root, with a made-up /sys and the state for recovery.
    let root = env_path("NASPROF_ROOT").unwrap_or_else(|| PathBuf::from("/"));
    match clocks::recover(&root) {
        Ok(false) => {}
        Ok(true) => log("restored the clocks that an earlier measurement had left locked"),
        Err(error) => log(&format!("cannot restore the clocks that an earlier measurement had left locked: {error}")),
    }
    let all = ["synthetic"].iter().chain(backends).map(|&backend| backend.to_owned()).collect();
    serve(io::stdin().lock(), io::stdout().lock(), all, &root, |backend| opened(name, backend, &root, &open))
}

fn opened(
    program: &str,
    backend: &str,
    root: &Path,
    open: &impl Fn(&str) -> Opened,
) -> Result<Box<dyn Device>, String> {
    if let Some(name) = backend.strip_prefix("synthetic:") {
        let device = Box::new(SyntheticDevice::named(name)?);
        // A simulated device has clocks only on a made-up machine.
        let real = root == Path::new("/");
        return Ok(if real { device } else { Box::new(ClockedDevice::new(device, root)) });
    }
    match open(backend) {
        Some(device) => Ok(Box::new(ClockedDevice::new(device?, root))),
        None => Err(format!("{program} has no back end `{backend}`")),
    }
}
