//! `nasprof devices`.

use std::process::ExitCode;

use nasprof_devices::builtin_names;
use nasprof_profiler::protocol::Probe;
use nasprof_profiler::synthetic;
use serde_json::json;

use super::validate::level_check;
use super::{print, print_json};
use crate::cli::{ContextArgs, DevicesArgs, DevicesCommand};
use crate::failure::{Exit, Failure};
use crate::resolve::{self, connect, target};

pub(super) fn run(args: &DevicesArgs) -> Result<ExitCode, Failure> {
    match args.command.as_ref().unwrap_or(&DevicesCommand::List) {
        DevicesCommand::List => list(args.json),
        DevicesCommand::Check { name, lut, space } => {
            let code = check(name, args.json)?;
            if let (Some(lut), Some(space)) = (lut, space) {
                level_check(name, lut, space, args.json)?;
            }
            Ok(code)
        }
    }
}

fn list(as_json: bool) -> Result<ExitCode, Failure> {
    let mut names: Vec<String> = builtin_names().into_iter().map(ToOwned::to_owned).collect();
    let own = resolve::user_devices().and_then(|folder| std::fs::read_dir(folder).ok());
    names.extend(
        own.into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".toml")?.to_owned())),
    );
    names.extend(synthetic::names().map(|name| format!("synthetic:{name}")));
    names.sort();
    names.dedup();
    if as_json {
        print_json(&names)?
    } else {
        print(names.join("\n"))?
    }
    Ok(ExitCode::SUCCESS)
}

/// Connects, sets up, and shows what the machine shows. Exit code 4 if the gate would refuse it.
fn check(name: &str, as_json: bool) -> Result<ExitCode, Failure> {
    let file = resolve::device(name)?;
    let context = ContextArgs { backend: None, threads: None, batch: None, allocator: None };
    let target = target(name, &file, &context)?;
    let mut device = connect(&target.backend)?;
    let fingerprint = device.configure(&target.setup(0, 0))?;
    let probes = device.probe()?;
    let bad = probes.values.values().any(|p| matches!(p, Probe::Bad(_)));
    if as_json {
        print_json(&json!({"device": name, "facts": fingerprint.facts, "probes": probes.values, "ok": !bad}))?;
    } else {
        for (fact, value) in &fingerprint.facts {
            print(format!("{fact:<20} {value}"))?;
        }
        for (probe, value) in &probes.values {
            let text = match value {
                Probe::Ok(v) => format!("ok   {v:.1}"),
                Probe::Bad(v) => format!("BAD  {v:.1}"),
                Probe::NotObservable => "not observable".to_owned(),
            };
            print(format!("{probe:<20} {text}"))?;
        }
    }
    Ok(if bad { ExitCode::from(Exit::Noisy as u8) } else { ExitCode::SUCCESS })
}
