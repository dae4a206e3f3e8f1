//! The holder process: sets the clocks, and restores them when its input ends.

use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Duration;

use nasprof_profiler::protocol::{ClockRequest, Restored, Setting, Stored, read_line};
use serde::{Deserialize, Serialize};

use super::store::{Store, is_left};
use super::{ClockError, Machine};

/// The agent's argument that makes it a holder.
pub const HOLD_ARGUMENT: &str = "hold-clocks";

/// A holder that was just killed keeps the lock for a moment.
const DYING: Duration = Duration::from_secs(1);

/// The holder's first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    /// How to lock the clocks.
    pub(super) request: ClockRequest,
    /// Name under which the original settings are stored.
    pub(super) name: String,
}

/// One line from the holder: after the request, and after every line that asks for a check.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Report {
    /// Why nothing is set. Settings changed before the failure are restored.
    pub(super) error: Option<String>,
    /// The settings that were set.
    pub(super) locked: Vec<Setting>,
    /// Settings that are no longer as set.
    pub(super) differences: Vec<String>,
}

/// Runs a holder. The first line of the input is an [`Order`]; every other line requests a check. At the end of the input,
/// the holder restores the clocks.
///
/// # Errors
/// If the clocks cannot be set or restored; the stored settings are then kept for the next contact.
pub fn hold(root: &Path, mut input: impl BufRead, mut output: impl Write) -> Result<(), ClockError> {
    let order = read_line(&mut input).ok().flatten().unwrap_or_default();
    let order: Order =
        serde_json::from_str(&order).map_err(|e| ClockError::Holder(format!("cannot read the request: {e}")))?;
    let started = start(root, &order);
    let (error, locked) = match &started {
        Ok((_, _, locked)) => (None, locked.clone()),
        Err(error) => (Some(error.to_string()), Vec::new()),
    };
    // A write error means that the reader is gone. The input then ends too, and that is handled.
    let mut send = |report: &Report| {
        let line = serde_json::to_string(report).unwrap_or_default();
        let _ = writeln!(output, "{line}").and_then(|()| output.flush());
    };
    send(&Report { error, locked: locked.clone(), differences: Vec::new() });
    let (store, mut machine, _) = started?;
    while let Ok(Some(_)) = read_line(&mut input) {
        send(&Report { error: None, locked: Vec::new(), differences: machine.differences(&locked) });
    }
    put_back(&store, &mut machine)
}

/// Stores the settings, then sets the clocks. If setting fails half-way, restores the changed settings.
fn start(root: &Path, order: &Order) -> Result<(Store, Machine, Vec<Setting>), ClockError> {
    let (store, mut machine, stored) = look_with(root, &order.name, &order.request)?;
    store.keep(&stored)?;
    match machine.lock() {
        Ok(locked) => Ok((store, machine, locked)),
        Err(error) => {
            put_back(&store, &mut machine)?;
            Err(error)
        }
    }
}

/// The current settings, after restoring those that an earlier holder left.
fn look_with(root: &Path, name: &str, request: &ClockRequest) -> Result<(Store, Machine, Stored), ClockError> {
    let store = Store::take(root)?;
    put_back_left(root, &store)?;
    let mut machine = Machine::of(root, request)?;
    let settings = machine.read()?;
    let stored = store.stored(name, request, settings);
    Ok((store, machine, stored))
}

/// The current settings, with everything needed to restore them, for the host's copy; call it before any is set.
///
/// # Errors
/// If there are no settings, one cannot be read, or another measurement holds the clocks.
pub fn look(root: &Path, request: &ClockRequest) -> Result<Stored, ClockError> {
    look_with(root, "", request).map(|(_, _, stored)| stored)
}

fn put_back(store: &Store, machine: &mut Machine) -> Result<(), ClockError> {
    if let Some(stored) = store.left()? {
        machine.restore(&stored, store.rebooted(&stored))?;
        store.forget(&stored)?;
    }
    Ok(())
}

/// Restores the settings that a killed holder left. Returns whether there were any.
fn put_back_left(root: &Path, store: &Store) -> Result<bool, ClockError> {
    match store.left()? {
        Some(left) => put_back(store, &mut Machine::of(root, &left.request)?).map(|()| true),
        None => Ok(false),
    }
}

/// Restores the settings that a killed holder left; an agent calls this when it starts. Returns whether there were any.
///
/// # Errors
/// If the settings cannot be restored.
pub fn recover(root: &Path) -> Result<bool, ClockError> {
    if !is_left(root) {
        return Ok(false);
    }
    let store = match Store::take_within(root, DYING) {
        // A running measurement holds the clocks, so there is nothing to restore.
        Err(ClockError::Held(_)) => return Ok(false),
        other => other?,
    };
    put_back_left(root, &store)
}

/// Restores settings from the host's copy, for a device that has lost its own. If the device has a copy, that is restored
/// first. Settings that were restored before are left alone, because later changes are intentional.
///
/// # Errors
/// If a setting is not restored.
pub fn restore(root: &Path, copy: &Stored) -> Result<Restored, ClockError> {
    let store = match Store::take_within(root, DYING) {
        Err(ClockError::Held(_)) => return Ok(Restored::Held),
        other => other?,
    };
    put_back_left(root, &store)?;
    if store.is_back(&copy.name) {
        return Ok(Restored::Before);
    }
    let changed = Machine::of(root, &copy.request)?.restore(copy, store.rebooted(copy))?;
    store.mark_back(&copy.name)?;
    Ok(if changed { Restored::Now } else { Restored::Before })
}
