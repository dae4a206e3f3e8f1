//! `nasprof space`.

use std::process::ExitCode;

use nasprof_graph::arch::ArchFile;
use nasprof_graph::runtime::Runtime;
use nasprof_graph::spaces::builtin_names;
use nasprof_profiler::engine::keys_of_space;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::{print, print_json};
use crate::cli::{SpaceArgs, SpaceCommand};
use crate::failure::Failure;
use crate::resolve;

pub(super) fn run(args: &SpaceArgs) -> Result<ExitCode, Failure> {
    match args.command.as_ref().unwrap_or(&SpaceCommand::List) {
        SpaceCommand::List => {
            let names: Vec<&str> = builtin_names().collect();
            if args.json { print_json(&names)? } else { print(names.join("\n"))? }
        }
        SpaceCommand::Show { space } => show(space, args.json)?,
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

fn show(name: &str, as_json: bool) -> Result<(), Failure> {
    let space = resolve::space(name)?;
    let cost = space.graph.cost();
    let keys = keys_of_space(&space, Runtime::TorchEager, &mut ChaCha8Rng::seed_from_u64(0))?;
    if as_json {
        let choices: Vec<_> =
            space.choices.iter().map(|c| json!({"name": c.name, "candidates": c.candidates})).collect();
        return print_json(&json!({
            "space": space.name,
            "architectures": space.architectures().to_string(),
            "networks": space.networks().to_string(),
            "choices": choices,
            "params": cost.params,
            "buffers": cost.buffers,
            "keys": keys.len(),
        }));
    }
    print(format!("space          {}", space.name))?;
    print(format!("architectures  {}", space.architectures()))?;
    print(format!("supernet       {} trainable parameters", cost.params))?;
    print(format!("LUT keys       {} (libtorch, nothing fused)", keys.len()))?;
    print(format!("choices        {}", space.choices.len()))?;
    for choice in &space.choices {
        print(format!("  {}: {}", choice.name, choice.candidates.join(", ")))?;
    }
    Ok(())
}
