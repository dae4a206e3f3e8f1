//! `nasprof lut`.

mod diff;
mod import;
mod merge;
mod model_diff;
mod show;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nasprof_lut::{Lut, LutError, Measured, check, check_ending, from_journals, read, read_measured, write};

use super::kept_journal::events_of;
use super::{model_profile, path_text, print, print_json};
use crate::cli::{LutArgs, LutCommand, SortColumn};
use crate::failure::{Exit, Failure};
use crate::outputs::{LUTS, Outputs};

pub(super) fn run(args: &LutArgs) -> Result<ExitCode, Failure> {
    match &args.command {
        LutCommand::Show { lut, rows, sort, filter } => {
            show_measured(read_measured(lut)?, args.json, filter.as_deref(), *rows, *sort)?;
        }
        LutCommand::Diff { before, after, rows } => {
            diff_measured(before, after, args.json, *rows)?;
        }
        LutCommand::Export { lut, output } => {
            check_output(std::slice::from_ref(lut), output)?;
            let lut = read(lut)?;
            write(&lut, output)?;
            report_written(output, &lut, args.json)?;
        }
        LutCommand::Rebuild { journals, output } => {
            check_output(journals, output)?;
            let lut = from_journals(&events_of(journals)?)?;
            write(&lut, output)?;
            report_written(output, &lut, args.json)?;
        }
        LutCommand::Merge { luts, output } => merge::run(luts, output, args.json)?,
        LutCommand::Import(import) => import::run(import, args.json)?,
        LutCommand::Check { lut } => {
            let findings = check(&read(lut)?);
            if args.json {
                print_json(&findings)?;
            } else if findings.is_empty() {
                print("nothing suspicious")?;
            }
            for finding in findings.iter().filter(|_| !args.json) {
                print(format!("{}: {}", finding.key.as_ref().map_or("LUT", |k| k.as_str()), finding.problem))?;
            }
            if !findings.is_empty() {
                return Ok(ExitCode::from(Exit::Usage as u8));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show_measured(
    measured: Measured,
    as_json: bool,
    filter: Option<&str>,
    rows: usize,
    sort: SortColumn,
) -> Result<(), Failure> {
    match measured {
        Measured::Lut(mut lut) => {
            filter.map_or(Ok(()), |filter| show::filter(&mut lut, filter))?;
            if as_json { print_json(&lut) } else { show::show(&lut, rows, sort) }
        }
        Measured::Model(mut profile) => {
            filter.map_or(Ok(()), |filter| model_profile::filter(&mut profile, filter))?;
            if as_json { print_json(&profile) } else { model_profile::show(&profile, rows, sort) }
        }
    }
}

/// Two LUTs, or two profiles of models.
fn diff_measured(before: &Path, after: &Path, as_json: bool, rows: usize) -> Result<(), Failure> {
    match (read_measured(before)?, read_measured(after)?) {
        (Measured::Lut(a), Measured::Lut(b)) => {
            let luts = diff::Named { before: (before, &a), after: (after, &b) };
            if as_json { luts.json() } else { luts.show(rows) }
        }
        (Measured::Model(a), Measured::Model(b)) => {
            let profiles = model_diff::Named { before: (before, &a), after: (after, &b) };
            if as_json { profiles.json() } else { profiles.show(rows) }
        }
        (a, _) => {
            let model = if matches!(a, Measured::Model(_)) { before } else { after };
            Err(one_kind(model))
        }
    }
}

/// The error for comparing a profile with a LUT: they have no layer in common.
pub(super) fn one_kind(model: &Path) -> Failure {
    Failure::from(LutError::Model { path: path_text(model) }).hint("compare LUTs with LUTs, and profiles with profiles")
}

/// Refuses an output that is also an input, or that cannot be written.
fn check_output(inputs: &[PathBuf], output: &Path) -> Result<(), Failure> {
    check_ending(output)?;
    Outputs::of(inputs).check("-o", output, &LUTS)
}

fn report_written(output: &Path, lut: &Lut, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return print_json(&serde_json::json!({"lut": path_text(output), "rows": lut.rows.len()}));
    }
    print(format!("{} ({} rows)", output.display(), lut.rows.len()))
}
