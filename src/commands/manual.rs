//! `nasprof manual`.

use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_mangen::Man;
use nasprof_render::replace_file;

use super::print;
use crate::cli::Cli;
use crate::failure::Failure;

pub(super) fn run(folder: &Path) -> Result<ExitCode, Failure> {
    std::fs::create_dir_all(folder).map_err(|e| Failure::usage(format!("{}: {e}", folder.display())))?;
    let mut command = Cli::command();
    // Names of subcommands become `nasprof-lut-show`, as the pages are called.
    command.build();
    pages(&command, folder)?;
    Ok(ExitCode::SUCCESS)
}

/// The page of a command, then those of its subcommands.
fn pages(command: &clap::Command, folder: &Path) -> Result<(), Failure> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let path = folder.join(format!("{name}.1"));
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page).map_err(Failure::internal)?;
    replace_file(&path, &page)?;
    print(path.display().to_string())?;
    for subcommand in command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help") {
        pages(subcommand, folder)?;
    }
    Ok(())
}
