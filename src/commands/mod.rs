//! One file a command.

mod archs;
mod devices;
mod estimate;
mod expected;
mod export;
mod export_onnx;
mod kept_journal;
mod lut;
mod manual;
mod measure;
mod report;
mod search;
mod space;
mod table;
mod validate;
mod validate_memory;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nasprof_devices::Link;

use crate::cli::Command;
use crate::completions;
use crate::failure::Failure;
use crate::terminal::print_own;
pub(crate) use crate::terminal::{print, print_json, say};

/// Runs a command.
pub(crate) fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Devices(args) => devices::run(&args),
        Command::Space(args) => space::run(&args),
        Command::Measure(args) => measure::run(&args),
        Command::Lut(args) => lut::run(&args),
        Command::Estimate(args) => estimate::run(&args),
        Command::Validate(args) => validate::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Search(args) => search::search(&args),
        Command::Train(args) => search::train(&args),
        Command::Manual { output } => manual::run(&output),
        Command::Completions { shell } => {
            print_own(&completions::script(shell)?)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A path as JSON has it: what is not UTF-8 in it, which JSON cannot hold, is shown as U+FFFD.
pub(crate) fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Says what was done to a device beside what was asked for.
pub(crate) fn say_remarks(device: &str, link: &mut Link) {
    for remark in link.remarks() {
        say(format!("{device}: {remark}"));
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
