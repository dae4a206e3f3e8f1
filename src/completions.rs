//! Shell completions. The shell asks this program for candidates, so names of devices and spaces are current.

use std::ffi::OsStr;

use clap_complete::engine::{CompletionCandidate, PathCompleter, ValueCompleter};
use clap_complete::env::{CompleteEnv, Shells};
use nasprof_spaces::builtin_names;

use crate::failure::Failure;
use crate::known::{KnownDevice, known_devices};

/// Set by the shell that asks.
const VARIABLE: &str = "NASPROF_COMPLETE";

/// Answers a shell that asks, and ends; returns if none does.
pub(crate) fn answer(command: fn() -> clap::Command) {
    CompleteEnv::with_factory(command).var(VARIABLE).complete();
}

/// The script with which a shell asks.
pub(crate) fn script(shell: clap_complete::Shell) -> Result<String, Failure> {
    let shells = Shells::builtins();
    let completer =
        shells.completer(&shell.to_string()).ok_or_else(|| Failure::usage(format!("no completions for {shell}")))?;
    let mut script = Vec::new();
    completer.write_registration(VARIABLE, "nasprof", "nasprof", "nasprof", &mut script).map_err(Failure::internal)?;
    String::from_utf8(script).map_err(Failure::internal)
}

/// Built-in spaces, and files that may be spaces.
pub(crate) fn spaces(current: &OsStr) -> Vec<CompletionCandidate> {
    let mut all = beginning(current, builtin_names().map(CompletionCandidate::new));
    let is_space = |path: &std::path::Path| path.extension().is_some_and(|e| e == "toml" || e == "json");
    all.extend(PathCompleter::file().filter(is_space).complete(current));
    all
}

/// Known devices with what they are.
pub(crate) fn devices(current: &OsStr) -> Vec<CompletionCandidate> {
    let candidate = |device: KnownDevice| {
        CompletionCandidate::new(device.name).help(Some(crate::escape::one_line(&device.description).into()))
    };
    beginning(current, known_devices().into_iter().map(candidate))
}

/// Architecture and experiment files, by their endings.
pub(crate) fn archs(current: &OsStr) -> Vec<CompletionCandidate> {
    let is_arch = |path: &std::path::Path| path.extension().is_some_and(|e| e == "json" || e == "jsonl");
    PathCompleter::file().filter(is_arch).complete(current)
}

fn beginning(current: &OsStr, all: impl Iterator<Item = CompletionCandidate>) -> Vec<CompletionCandidate> {
    let begun = current.to_string_lossy();
    all.filter(|candidate| candidate.get_value().to_string_lossy().starts_with(&*begun)).collect()
}
