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

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::CommandFactory;
use nasprof_devices::Link;

use crate::cli::{Cli, Command};
use crate::failure::Failure;

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
            // Not straight to the standard output: clap_complete panics where that cannot be written.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "nasprof", &mut script);
            print(String::from_utf8_lossy(&script).trim_end())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Refuses to replace what an output is made of.
pub(crate) fn refuse_input_as_output(inputs: &[PathBuf], output: &Path) -> Result<(), Failure> {
    let real = |path: &Path| path.canonicalize().ok();
    match real(output) {
        Some(output_file) if inputs.iter().any(|input| real(input).as_ref() == Some(&output_file)) => {
            let problem = format!("-o {}: it would replace what it is made of", output.display());
            Err(Failure::usage(problem).hint("name another file"))
        }
        _ => Ok(()),
    }
}

/// Prints a line of data. A reader that has seen enough (a closed pipe) is no error.
pub(crate) fn print(text: impl AsRef<str>) -> Result<(), Failure> {
    match writeln!(io::stdout(), "{}", text.as_ref()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        result => result.map_err(|e| Failure::internal(format!("cannot write to the standard output: {e}"))),
    }
}

/// Prints a value as one line of JSON.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    print(serde_json::to_string(value).map_err(Failure::internal)?)
}

/// A path as JSON has it: what is not UTF-8 in it, which JSON cannot hold, is shown as U+FFFD.
pub(crate) fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Prints a line of words. Nothing can be done about a closed error output.
pub(crate) fn say(line: impl AsRef<str>) {
    let _ = writeln!(io::stderr(), "{}", line.as_ref());
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
