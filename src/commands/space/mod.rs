//! `nasprof space`.

mod show;

use std::process::ExitCode;

use nasprof_graph::arch::ArchFile;
use nasprof_spaces::builtin_names;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{print, print_json};
use crate::cli::{SpaceArgs, SpaceCommand};
use crate::failure::Failure;
use crate::resolve;

pub(super) fn run(args: &SpaceArgs) -> Result<ExitCode, Failure> {
    match args.command.as_ref().unwrap_or(&SpaceCommand::List) {
        SpaceCommand::List => {
            let names: Vec<&str> = builtin_names().collect();
            if args.json { print_json(&names)? } else { names.iter().try_for_each(print)? }
        }
        SpaceCommand::Show { space, lut, backend } => {
            show::run(space, lut.as_deref(), backend.as_deref(), args.json)?;
        }
        SpaceCommand::Sample { space, count, seed } => {
            let space = resolve::space(space)?;
            let mut rng = ChaCha8Rng::seed_from_u64(*seed);
            for _ in 0..*count {
                print_json(&ArchFile::new(&space.name, &space.choices, &space.sample(&mut rng)))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
