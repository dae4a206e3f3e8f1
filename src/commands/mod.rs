//! One file for each command.

mod archs;
mod by_command;
mod context;
mod devices;
mod estimate;
mod expected;
mod export;
mod export_onnx;
mod kept_journal;
mod level;
mod lut;
mod manual;
mod measure;
mod model_file;
mod model_profile;
mod pareto;
mod query;
mod rank;
mod ranking;
mod report;
mod search;
mod search_program;
mod search_result;
mod simulate;
mod space;
mod table;
mod time;
mod train;
mod validate;
mod validate_memory;
mod whole;
mod winner;

use std::path::Path;
use std::process::ExitCode;

use nasprof_devices::Link;

use crate::cli::Command;
use crate::completions;
use crate::failure::Failure;
pub(crate) use crate::terminal::{print, print_json, print_own, status};

/// Runs a command.
pub(crate) fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Devices(args) => devices::run(&args),
        Command::Space(args) => space::run(&args),
        Command::Measure(args) => measure::run(&args),
        Command::Lut(args) => lut::run(&args),
        Command::Estimate(args) => estimate::run(&args),
        Command::Time(args) => time::run(&args),
        Command::Validate(args) => validate::run(&args),
        Command::Rank(args) => rank::run(&args),
        Command::Pareto(args) => pareto::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Search(args) => search::search(&args),
        Command::Simulate(args) => simulate::simulate(&args),
        Command::Train(args) => train::train(&args),
        Command::Query(args) => query::run(&args),
        Command::Manual { output } => manual::run(&output),
        Command::Completions { shell } => {
            print_own(&completions::script(shell)?)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A path as JSON text; invalid UTF-8 becomes U+FFFD.
pub(crate) fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Prints changes to a device that the user did not request.
pub(crate) fn print_remarks(device: &str, link: &mut Link) {
    for remark in link.remarks() {
        status(format!("{device}: {remark}"));
    }
}

/// A chart in the format of its file's ending.
fn as_picture(svg: String, path: &Path) -> Result<Vec<u8>, Failure> {
    if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png")) {
        return Ok(nasprof_render::Png::render(&svg)?.bytes);
    }
    Ok(svg.into_bytes())
}
