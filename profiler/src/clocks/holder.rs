//! The process that holds the clocks: it sets them, and restores them when its input ends.

use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::store::{Store, is_left};
use super::{ClockError, Machine, Setting};
use crate::protocol::ClockRequest;
use crate::serve::read_line;

/// The agent's argument that makes it a holder.
pub const HOLD_ARGUMENT: &str = "hold-clocks";

/// A holder that was just killed has the lock for a moment more.
const DYING: Duration = Duration::from_secs(1);

/// One line from the holder: after the request, and after every line that asks for a check.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Report {
    /// Why nothing is set. Whatever had been set before the failure is restored.
    pub(super) error: Option<String>,
    /// What was set.
    pub(super) locked: Vec<Setting>,
    /// What is no longer as it was set.
    pub(super) differences: Vec<String>,
}

/// Runs a holder. The first line of the input is a [`ClockRequest`], every other line asks for a check; the end of the
/// input restores.
///
/// # Errors
/// If the clocks could not be set, or not be restored; then the stored settings are kept for the next contact.
pub fn hold(root: &Path, mut input: impl BufRead, mut output: impl Write) -> Result<(), ClockError> {
    let request = read_line(&mut input).ok().flatten().unwrap_or_default();
    let request: ClockRequest =
        serde_json::from_str(&request).map_err(|e| ClockError::Holder(format!("cannot read the request: {e}")))?;
    let started = start(root, &request);
    let (error, locked) = match &started {
        Ok((_, _, locked)) => (None, locked.clone()),
        Err(error) => (Some(error.to_string()), Vec::new()),
    };
    // Nobody may be left to read: that is the end of the input, and handled as such.
    let mut say = |report: &Report| {
        let line = serde_json::to_string(report).unwrap_or_default();
        let _ = writeln!(output, "{line}").and_then(|()| output.flush());
    };
    say(&Report { error, locked: locked.clone(), differences: Vec::new() });
    let (store, mut machine, _) = started?;
    while let Ok(Some(_)) = read_line(&mut input) {
        say(&Report { error: None, locked: Vec::new(), differences: machine.differences(&locked) });
    }
    put_back(&store, &mut machine)
}

/// Stores, then sets. If setting fails half-way, what was set is restored.
fn start(root: &Path, request: &ClockRequest) -> Result<(Store, Machine, Vec<Setting>), ClockError> {
    let store = Store::take(root)?;
    if let Some(left) = store.left()? {
        put_back(&store, &mut Machine::of(root, &left.request)?)?;
    }
    let mut machine = Machine::of(root, request)?;
    let settings = machine.read()?;
    store.keep(request, settings)?;
    match machine.lock() {
        Ok(locked) => Ok((store, machine, locked)),
        Err(error) => {
            put_back(&store, &mut machine)?;
            Err(error)
        }
    }
}

fn put_back(store: &Store, machine: &mut Machine) -> Result<(), ClockError> {
    if let Some(stored) = store.left()? {
        machine.restore(&stored, store.rebooted(&stored))?;
        store.forget()?;
    }
    Ok(())
}

/// Restores what a killed holder left behind; an agent calls this when it starts. Returns whether there was something.
///
/// # Errors
/// If the settings cannot be restored, or a live holder has them.
pub fn recover(root: &Path) -> Result<bool, ClockError> {
    if !is_left(root) {
        return Ok(false);
    }
    let store = match Store::take_within(root, DYING) {
        // A measurement holds them: nothing was left behind.
        Err(ClockError::Held(_)) => return Ok(false),
        other => other?,
    };
    match store.left()? {
        Some(left) => put_back(&store, &mut Machine::of(root, &left.request)?).map(|()| true),
        None => Ok(false),
    }
}
