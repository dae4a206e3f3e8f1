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

/// A holder that was just killed has the lock for a moment more.
const DYING: Duration = Duration::from_secs(1);

/// The holder's first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    /// How the clocks are to be locked.
    pub(super) request: ClockRequest,
    /// Under which name the settings as they were are stored.
    pub(super) name: String,
}

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

/// Runs a holder. The first line of the input is an [`Order`], every other line asks for a check; the end of the
/// input restores.
///
/// # Errors
/// If the clocks could not be set, or not be restored; then the stored settings are kept for the next contact.
pub fn hold(root: &Path, mut input: impl BufRead, mut output: impl Write) -> Result<(), ClockError> {
    let order = read_line(&mut input).ok().flatten().unwrap_or_default();
    let order: Order =
        serde_json::from_str(&order).map_err(|e| ClockError::Holder(format!("cannot read the request: {e}")))?;
    let started = start(root, &order);
    let (error, locked) = match &started {
        Ok((_, _, locked)) => (None, locked.clone()),
        Err(error) => (Some(error.to_string()), Vec::new()),
    };
    // Nobody may be left to read: that is the end of the input, and handled as such.
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

/// Stores, then sets. If setting fails half-way, what was set is restored.
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

/// The settings as they are, after whatever an earlier holder left was restored.
fn look_with(root: &Path, name: &str, request: &ClockRequest) -> Result<(Store, Machine, Stored), ClockError> {
    let store = Store::take(root)?;
    put_back_left(root, &store)?;
    let mut machine = Machine::of(root, request)?;
    let settings = machine.read()?;
    let stored = store.stored(name, request, settings);
    Ok((store, machine, stored))
}

/// The settings as they are, with all that is needed to bring them back: for the host's copy, before any is set.
///
/// # Errors
/// If there is none, one cannot be read, or another measurement holds them.
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

/// Restores what a killed holder left. Returns whether there was something.
fn put_back_left(root: &Path, store: &Store) -> Result<bool, ClockError> {
    match store.left()? {
        Some(left) => put_back(store, &mut Machine::of(root, &left.request)?).map(|()| true),
        None => Ok(false),
    }
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
    put_back_left(root, &store)
}

/// Brings settings back from the host's copy, for a device that has lost its own. Its own goes first where it is there;
/// settings that have been back once are left alone, since what was set later is somebody's wish.
///
/// # Errors
/// If a setting is not back.
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
