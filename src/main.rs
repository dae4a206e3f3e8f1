//! `nasprof`: the command line. It converts arguments to settings and calls the libraries, which do the work.

mod cli;
mod commands;
mod completions;
mod device_hints;
mod display;
mod escape;
mod exit;
mod failure;
mod hints;
mod interruption;
mod kept;
mod known;
mod outputs;
mod resolve;
mod signals;
mod terminal;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

fn main() -> ExitCode {
    completions::answer(cli::Cli::command);
    signals::large_files_are_errors();
    let cli = cli::Cli::parse();
    match commands::run(cli.command) {
        Ok(code) => code,
        Err(failure) => {
            terminal::say_failure(&failure);
            ExitCode::from(failure.exit as u8)
        }
    }
}
