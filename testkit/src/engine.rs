//! A small space, simulated devices and journals in temporary folders, for all tests of the engine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Arch, Graph, LayerKey};
use nasprof_profiler::engine::{
    EngineError, Gate, Measurement, Recorder, Workload, keys_of_space, layer_workloads, measure, network_workloads,
    sampled_networks,
};
use nasprof_profiler::journal::{Event, Header, Mode};
use nasprof_profiler::protocol::{Allocator, Device, DeviceError, Layout, Precision, Setup};
use nasprof_profiler::synthetic::{Model, SyntheticDevice};
use nasprof_spaces::{Space, SpaceSpec};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A mobilenet space of a few small blocks with two candidates each.
pub fn space_of(blocks: usize) -> Space {
    let text = format!(
        "format_version = 1\nkind = \"mobilenet\"\ninput = [3, 16, 16]\nnum_classes = 4\nwidth_mult = 0.25\n\
         settings = [[16, {blocks}, 1]]\ncandidates = [\"MB3 3x3\", \"MB6 5x5\"]\nskip_connect = false\n"
    );
    SpaceSpec::parse(&text).unwrap().build("small").unwrap()
}

/// Two blocks with two candidates.
pub fn small_space() -> Space {
    space_of(2)
}

/// The header of a measurement in one session.
pub fn header(space: &Space, mode: Mode, seed: u64) -> Header {
    Header {
        format_version: 1,
        program_version: "0.0.0".to_owned(),
        device: "simulated".to_owned(),
        backend: "synthetic:quiet".to_owned(),
        space: space.name.clone(),
        space_digest: space.graph.digest(),
        runtime: Runtime::TorchEager,
        mode,
        batch: 1,
        threads: 1,
        cores: Vec::new(),
        allocator: Allocator::Retain,
        precision: Precision::Float32,
        layout: Layout::ChannelsFirst,
        timing: None,
        ci: 0.02,
        sessions: 2,
        max_rounds: 8,
        seed,
        allow_noisy: false,
        clocks: None,
        energy: false,
        shard: None,
    }
}

/// The agent's setup.
pub fn setup(seed: u64, session: u32) -> Setup {
    Setup {
        backend: "synthetic:quiet".to_owned(),
        threads: 1,
        cores: Vec::new(),
        allocator: Allocator::Retain,
        precision: Precision::Float32,
        layout: Layout::ChannelsFirst,
        timing: None,
        seed,
        session,
        clocks: None,
        clock_copy: String::new(),
    }
}

/// A gate that does not wait.
pub fn gate(allow_noisy: bool) -> Gate {
    Gate { patience: Duration::from_secs(10), allow_noisy }
}

/// Opens devices of a named model.
pub fn named(name: &str) -> impl FnMut() -> Result<Box<dyn Device>, DeviceError> + use<> {
    modelled(name, Model::named(name).unwrap())
}

/// Opens devices of a given model.
pub fn modelled(name: &str, model: Model) -> impl FnMut() -> Result<Box<dyn Device>, DeviceError> + use<> {
    let name = name.to_owned();
    move || Ok(Box::new(SyntheticDevice::new(&name, model)) as Box<dyn Device>)
}

/// A recorder that keeps its events in memory.
pub fn recorder() -> Recorder {
    Recorder::new(Vec::new(), None, Arc::new(AtomicBool::new(false)))
}

/// A whole measurement in memory.
pub fn events_of(
    space: &Space,
    header: Header,
    connect: &mut dyn FnMut() -> Result<Box<dyn Device>, DeviceError>,
) -> Result<Vec<Event>, EngineError> {
    let gate = gate(header.allow_noisy);
    let measurement = Measurement { space, header, gate, deadline: None };
    let mut recorder = recorder();
    measure(&measurement, &mut recorder, connect, &mut |_| ())?;
    Ok(recorder.events().to_vec())
}

/// Networks that hold all these layers of a space, as a measurement plans them on a device that runs each and is no GPU.
pub fn planned(
    space: &Space,
    runtime: Runtime,
    keys: &BTreeMap<LayerKey, (Graph, Arch)>,
    rng: &mut ChaCha8Rng,
) -> Vec<Workload> {
    network_workloads(space, runtime, sampled_networks(runtime, false), keys, &Default::default(), rng).unwrap()
}

/// All layers of a space, each alone.
pub fn layers(space: &Space) -> Vec<Workload> {
    let keys = keys_of_space(space, Runtime::TorchEager, &mut ChaCha8Rng::seed_from_u64(0)).unwrap();
    layer_workloads(&keys, &Default::default())
}

/// A folder that is removed at the end of the test.
pub struct Folder(PathBuf);

impl Default for Folder {
    fn default() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("nasprof-test-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Folder {
    /// A path in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}
