//! A small measurement of a synthetic device, made once: its events, and its LUT.

use std::sync::OnceLock;

use nasprof_lut::{Lut, from_journal};
use nasprof_profiler::engine::{Gate, Measurement, Recorder, measure};
use nasprof_profiler::journal::{Event, Header};
use nasprof_profiler::protocol::Device;
use nasprof_profiler::synthetic::SyntheticDevice;
use nasprof_spaces::{Space, SpaceSpec};

/// A space of few small networks.
pub(super) fn space() -> Space {
    let text = "format_version = 1\nkind = \"mobilenet\"\ninput = [1, 8, 8]\nnum_classes = 2\nwidth_mult = 0.25\n\
        settings = [[8, 1, 1]]\ncandidates = [\"MB3 3x3\", \"MB6 3x3\"]\nskip_connect = true\n";
    SpaceSpec::parse(text).and_then(|spec| spec.build("tiny")).expect("a space of ours is built")
}

/// All events of a measurement of one short session.
pub(super) fn events() -> &'static [Event] {
    static EVENTS: OnceLock<Vec<Event>> = OnceLock::new();
    EVENTS.get_or_init(|| {
        let space = space();
        let header = Header {
            ci: 0.05,
            sessions: 1,
            max_rounds: 8,
            allow_noisy: true,
            ..Header::new(&space, "synthetic:quiet", "synthetic:quiet")
        };
        let gate = Gate { patience: std::time::Duration::ZERO, allow_noisy: true };
        let measurement = Measurement { space: &space, header, gate, deadline: None };
        let mut recorder = Recorder::new(Vec::new(), None, std::sync::Arc::default());
        let mut connect = || Ok(Box::new(SyntheticDevice::named("quiet").expect("it is known")) as Box<dyn Device>);
        measure(&measurement, &mut recorder, &mut connect, &mut |_| {}).expect("a synthetic device is measured");
        recorder.events().to_vec()
    })
}

/// Its LUT, with few rows.
pub(super) fn lut() -> Lut {
    let mut lut = from_journal(events()).expect("a whole measurement yields a LUT");
    lut.rows.truncate(3);
    for row in &mut lut.rows {
        if let Some(times) = &mut row.times {
            times.reuse.truncate(2);
        }
    }
    lut
}
