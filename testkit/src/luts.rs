//! A LUT measured on a synthetic device, in this process.

use nasprof_graph::runtime::Runtime;
use nasprof_lut::{Lut, from_journal};
use nasprof_profiler::engine::{Gate, Measurement, Recorder, measure};
use nasprof_profiler::journal::{Event, Header, Mode};
use nasprof_profiler::protocol::{Allocator, Device, DeviceError, Layout, Precision};
use nasprof_profiler::synthetic::SyntheticDevice;
use nasprof_spaces::Space;

/// The events of a measurement of two sessions.
pub fn synthetic_events(space: &Space, device: &str, seed: u64) -> Vec<Event> {
    events_of(space, device, seed, &mut || {
        SyntheticDevice::named(device).map(|d| Box::new(d) as Box<dyn Device>).map_err(|e| panic!("{e}"))
    })
}

/// The events of a measurement of two sessions on any device.
pub fn events_of(
    space: &Space,
    device: &str,
    seed: u64,
    connect: &mut dyn FnMut() -> Result<Box<dyn Device>, DeviceError>,
) -> Vec<Event> {
    let header = header(space, device, seed);
    let gate = Gate { patience: std::time::Duration::ZERO, allow_noisy: true };
    let measurement = Measurement { space, header, gate, deadline: None };
    let mut recorder = Recorder::new(Vec::new(), None, std::sync::Arc::default());
    measure(&measurement, &mut recorder, connect, &mut |_| {}).unwrap();
    recorder.events().to_vec()
}

/// The header of a measurement in context with two sessions.
pub fn header(space: &Space, device: &str, seed: u64) -> Header {
    Header {
        format_version: 1,
        program_version: "test".to_owned(),
        device: format!("synthetic:{device}"),
        backend: format!("synthetic:{device}"),
        space: space.name.clone(),
        space_digest: space.graph.digest(),
        runtime: Runtime::TorchEager,
        mode: Mode::InContext,
        batch: 1,
        threads: 1,
        cores: Vec::new(),
        allocator: Allocator::Retain,
        precision: Precision::Float32,
        layout: Layout::ChannelsFirst,
        timing: None,
        ci: 0.02,
        sessions: 2,
        max_rounds: 40,
        seed,
        allow_noisy: false,
        clocks: None,
        energy: false,
        shard: None,
    }
}

/// The LUT of such a measurement.
pub fn synthetic_lut(space: &Space, device: &str, seed: u64) -> Lut {
    from_journal(&synthetic_events(space, device, seed)).unwrap()
}
