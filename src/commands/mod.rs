//! One file a command.

mod measure;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::cli::Command;
use crate::failure::Failure;

/// Runs a command.
pub(crate) fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Measure(args) => measure::run(&args),
        _ => Err(Failure::usage("not yet")),
    }
}

/// Prints a line of data. A reader that has seen enough (a closed pipe) is no error.
pub(crate) fn print(text: impl AsRef<str>) -> Result<(), Failure> {
    match writeln!(io::stdout(), "{}", text.as_ref()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        result => result.map_err(|e| Failure::internal(format!("cannot write to the standard output: {e}"))),
    }
}

/// A flag that Ctrl-C and SIGTERM set; a second Ctrl-C ends the program at once.
pub(crate) fn interruption() -> Result<Arc<AtomicBool>, Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        // Order matters: the first signal finds the flag unset and only sets it.
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&flag))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&flag)))
            .map_err(|e| Failure::internal(format!("cannot handle signals: {e}")))?;
    }
    Ok(flag)
}
