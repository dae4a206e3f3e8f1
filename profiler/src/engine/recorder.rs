//! The recorder writes observations to the journal, or replays them when a measurement is resumed.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::EngineError;
use super::clock::Clock;
use crate::journal::{Event, Header, Mode, Writer};
use crate::protocol::Fingerprint;

/// Set when the user asks to stop.
pub type Interrupted = Arc<AtomicBool>;

/// Replays the recorded events in order, then observes and appends new ones.
pub struct Recorder {
    replay: VecDeque<Event>,
    writer: Option<Writer>,
    interrupted: Interrupted,
    clock: Clock,
    /// All events so far, for later computations.
    events: Vec<Event>,
}

impl Recorder {
    /// A recorder that replays `recorded` and then appends to `writer` (or nowhere, for a validation).
    #[must_use]
    pub fn new(recorded: Vec<Event>, writer: Option<Writer>, interrupted: Interrupted) -> Self {
        Self { replay: recorded.into(), writer, interrupted, clock: Clock::new(), events: Vec::new() }
    }

    /// Whether recorded events are left to replay.
    #[must_use]
    pub fn is_replaying(&self) -> bool {
        !self.replay.is_empty()
    }

    /// All events so far.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The clock of the measurement.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// Whether a session was started, including in the events still to be replayed.
    #[must_use]
    pub fn has_session(&self) -> bool {
        self.events.iter().chain(&self.replay).any(|event| matches!(event, Event::Session { .. }))
    }

    /// If the replay is a complete measurement, consumes it and returns whether all its sessions in `mode` converged.
    pub fn complete(&mut self, mode: Mode) -> Option<bool> {
        if self.replay.back() != Some(&Event::Complete) {
            return None;
        }
        self.events.extend(self.replay.drain(..));
        let (mut in_mode, mut converged) = (false, true);
        for event in &self.events {
            match event {
                Event::Session { mode: of, .. } => in_mode = *of == mode,
                Event::SessionEnd { converged: of, .. } if in_mode => converged &= of,
                _ => {}
            }
        }
        Some(converged)
    }

    /// Goes back to the start: replays all recorded events, then continues to observe. Used after a lost device is reached
    /// again.
    pub fn rewind(&mut self) {
        self.clock.rewind();
        let replayed = std::mem::take(&mut self.events);
        let rest = std::mem::take(&mut self.replay);
        self.replay = replayed.into_iter().chain(rest).collect();
    }

    /// Whether the user asked to stop.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// The flag that is set when the user asks to stop.
    #[must_use]
    pub fn interrupted(&self) -> Interrupted {
        Arc::clone(&self.interrupted)
    }

    /// The next event: the recorded one if there is one, else the result of `observe`, which is written to the journal.
    ///
    /// With `always_observe` (virtual time, where an observation is free and advances the device) `observe` runs in both
    /// cases. A recorded event that differs from its result is an error.
    ///
    /// # Errors
    /// If observing or writing fails, or the user asked to stop.
    pub fn next(
        &mut self,
        always_observe: bool,
        observe: impl FnOnce() -> Result<Event, EngineError>,
    ) -> Result<Event, EngineError> {
        // Marks of earlier resumptions are skipped: nothing depends on them.
        while let Some(Event::Resumed) = self.replay.front() {
            self.events.extend(self.replay.pop_front());
        }
        let event = match self.replay.pop_front() {
            Some(recorded) if always_observe => {
                let observed = observe()?;
                if observed != recorded {
                    return Err(EngineError::Replay(difference(&recorded, &observed, self.events.len())));
                }
                recorded
            }
            Some(recorded) => recorded,
            None => {
                if self.interrupted.load(Ordering::Relaxed) {
                    return Err(EngineError::Interrupted);
                }
                let observed = observe()?;
                if let Some(writer) = &mut self.writer {
                    writer.append(&observed)?;
                }
                observed
            }
        };
        self.events.push(event.clone());
        Ok(event)
    }

    /// Records a decision, which follows from earlier observations and must be the same on replay.
    ///
    /// # Errors
    /// Those of [`Recorder::next`].
    pub fn decide(&mut self, event: Event) -> Result<(), EngineError> {
        self.next(true, || Ok(event)).map(drop)
    }

    /// The next recorded event, if it is a header.
    #[must_use]
    pub fn recorded_header(&self) -> Option<&Header> {
        match self.replay.front() {
            Some(Event::Header(header)) => Some(header),
            _ => None,
        }
    }

    /// The machine in the next recorded event, if it starts a session.
    #[must_use]
    pub fn recorded_fingerprint(&self) -> Option<&Fingerprint> {
        self.upcoming().and_then(|event| match event {
            Event::Session { fingerprint, .. } => Some(fingerprint),
            _ => None,
        })
    }

    /// Whether the next recorded event ends a session.
    #[must_use]
    pub fn session_ends_here(&self) -> bool {
        matches!(self.upcoming(), Some(Event::SessionEnd { .. }))
    }

    /// Whether the next recorded event ends a warm-up.
    #[must_use]
    pub fn warm_up_ends_here(&self) -> bool {
        matches!(self.upcoming(), Some(Event::WarmedUp { .. }))
    }

    /// Whether the next recorded event is [`Event::Effort`].
    #[must_use]
    pub fn effort_is_next(&self) -> bool {
        matches!(self.upcoming(), Some(Event::Effort { .. }))
    }

    fn upcoming(&self) -> Option<&Event> {
        self.replay.iter().find(|event| !matches!(event, Event::Resumed))
    }

    /// Waits until everything is on the disk.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn sync(&self) -> Result<(), EngineError> {
        self.writer.as_ref().map_or(Ok(()), |writer| Ok(writer.sync()?))
    }
}

/// The difference between a recorded event and the event that this measurement would record; for headers, the differing
/// options.
fn difference(recorded: &Event, observed: &Event, number: usize) -> String {
    let fields = |event: &Event| match event {
        Event::Header(header) => serde_json::to_value(header).ok().and_then(|value| value.as_object().cloned()),
        _ => None,
    };
    let (Some(recorded), Some(observed)) = (fields(recorded), fields(observed)) else {
        return format!("event {number} differs from what this measurement would record");
    };
    let names: BTreeSet<&String> = recorded.keys().chain(observed.keys()).collect();
    let shown = |value: Option<&Value>| value.unwrap_or(&Value::Null).to_string();
    let differing = names.into_iter().filter(|name| recorded.get(*name) != observed.get(*name)).map(|name| {
        let (there, here) = (shown(recorded.get(name)), shown(observed.get(name)));
        format!("{name} is {there} in the journal, but {here} was requested")
    });
    differing.collect::<Vec<_>>().join("; ")
}
