//! `nasprof`: the command line. It converts arguments to settings and calls the libraries, which do the work.

mod cli;
mod commands;
mod display;
mod failure;
mod hints;
mod interruption;
mod resolve;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::run(cli.command) {
        Ok(code) => code,
        Err(failure) => {
            // Nothing can be done about a closed error output.
            let _ = writeln!(io::stderr(), "{failure}");
            ExitCode::from(failure.exit as u8)
        }
    }
}
