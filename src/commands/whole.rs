//! Measures whole networks and a LUT's anchors in the LUT's context.

use std::cell::RefCell;
use std::path::Path;

use nasprof_devices::{DeviceFile, Link, retry};
use nasprof_graph::Arch;
use nasprof_lut::{Lut, Processes, WholeSession, measure_whole};
use nasprof_profiler::engine::{EngineError, Gate, Recorder};
use nasprof_profiler::journal::Event;
use nasprof_profiler::protocol::{Device, DeviceError};
use nasprof_search::job::Existing;
use nasprof_spaces::Space;

use super::kept_journal::KeptJournal;
use super::measure::PATIENCE;
use super::print_remarks;
use crate::display::{Display, Screen};
use crate::failure::Failure;
use crate::interruption::{Kept, interruption};

pub(super) fn session(seed: u64, max_rounds: u32, allow_noisy: bool) -> WholeSession {
    let gate = Gate { patience: PATIENCE, allow_noisy };
    WholeSession { processes: Processes::All(1), ci: None, timing: None, max_rounds, seed, gate, deadline: None }
}

/// Where a measurement runs, and what it keeps.
pub(super) struct Recorded<'a> {
    pub(super) device: &'a str,
    pub(super) file: &'a DeviceFile,
    pub(super) link: &'a mut Link,
    pub(super) backend: &'a str,
    pub(super) journal: Option<(&'a Path, Existing)>,
    pub(super) left: Kept,
}

/// Starts an agent on the device.
pub(super) type Connect<'a> = dyn FnMut() -> Result<Box<dyn Device>, DeviceError> + 'a;

/// A measurement that writes into a recorder and starts agents when it needs them.
type Measure<'m> = dyn FnMut(&mut Recorder, &mut Connect<'_>, &RefCell<Display>) -> Result<(), EngineError> + 'm;

impl Recorded<'_> {
    /// Measures, and retries if the device was lost and comes back; returns the events.
    pub(super) fn run(self, measure: &mut Measure<'_>) -> Result<Vec<Event>, Failure> {
        let Self { device, file, link, backend, journal, left } = self;
        let (events, writer, kept) = match journal {
            Some((path, existing)) => {
                let (events, writer, kept) = KeptJournal::open(path, existing)?;
                (events, Some(writer), Some(kept))
            }
            None => (Vec::new(), None, None),
        };
        let mut recorder = Recorder::new(events, writer, interruption(left)?);
        let display = RefCell::new(Screen::new().display(None));
        let result = retry(
            file.reconnect(),
            &mut recorder,
            &mut |problem, pause| display.borrow_mut().waiting(problem, pause),
            &mut |recorder| measure(recorder, &mut || Ok(link.agent(backend)?), &display),
        );
        display.borrow().finish();
        print_remarks(device, link);
        let result = result.map_err(|error| match (left, error) {
            (_, EngineError::Interrupted) => Failure::interrupted(left),
            (Kept::Nothing, error) => Failure::from(error).without_resuming(),
            (_, error) => Failure::from(error),
        });
        match kept {
            Some(kept) => kept.end(&recorder, result)?,
            None => result?,
        };
        Ok(recorder.events().to_vec())
    }
}

/// Measures the anchors and these networks in the LUT's context. `what` names the work on the display.
pub(super) fn measured(
    (lut, space): (&Lut, &Space),
    networks: &[Arch],
    session: WholeSession,
    (file, link): (&DeviceFile, &mut Link),
    journal: Option<(&Path, Existing)>,
    left: Kept,
    what: &str,
) -> Result<Vec<Event>, Failure> {
    let header = &lut.context.header;
    let recorded = Recorded { device: &header.device, file, link, backend: &header.backend, journal, left };
    recorded.run(&mut |recorder, connect, display| {
        measure_whole((lut, space), networks, session, recorder, connect, &mut |process, all, progress| {
            let what = if all == 1 { what.to_owned() } else { format!("process {}/{all}", process + 1) };
            display.borrow_mut().progress(&what, &progress);
        })
    })
}
