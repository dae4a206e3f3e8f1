//! A space that is built in Rust, measured, and used to rank all its networks: `cargo run --example measure_a_space`.
//!
//! The device is a synthetic one in virtual time. For a real one, `nasprof_devices::Link` gives the same trait `Device`.

#![allow(clippy::print_stdout, reason = "an example prints what it found")]

use std::sync::Arc;
use std::time::Duration;

use nasprof_graph::runtime::Runtime;
use nasprof_graph::{GraphBuilder, Op};
use nasprof_lut::{BatchEstimator, Estimator, from_journal};
use nasprof_profiler::engine::{Gate, Measurement, Recorder, measure};
use nasprof_profiler::journal::Header;
use nasprof_profiler::protocol::{Device, DeviceError};
use nasprof_profiler::synthetic::SyntheticDevice;
use nasprof_spaces::Space;
use rand::SeedableRng;

type Failure = Box<dyn std::error::Error>;

/// Four blocks, each a convolution of 3x3 or 5x5, or nothing.
fn space() -> Result<Space, Failure> {
    let mut graph = GraphBuilder::new();
    let mut x = graph.input("image", [1, 8, 16, 16])?;
    for block in 0..4 {
        let small = graph.add(&format!("block{block}/3x3"), Op::conv(8, 3, 1, 1), &[x])?;
        let large = graph.add(&format!("block{block}/5x5"), Op::conv(8, 5, 1, 2), &[x])?;
        let skip = graph.add(&format!("block{block}/skip"), Op::Identity, &[x])?;
        let candidates = ["3x3", "5x5", "skip"].map(str::to_owned).to_vec();
        let choice = Op::Choice { choice: format!("block{block}"), candidates };
        x = graph.add(&format!("block{block}"), choice, &[small, large, skip])?;
    }
    let pooled = graph.add("pool", Op::GlobalAvgPool, &[x])?;
    Ok(Space::new("four-blocks", graph.build(&[pooled])?))
}

fn main() -> Result<(), Failure> {
    let space = space()?;
    let gate = Gate { patience: Duration::ZERO, allow_noisy: false };
    let measurement = Measurement {
        space: &space,
        header: Header::new(&space, "synthetic:quiet", "synthetic:quiet"),
        gate,
        deadline: None,
    };
    // With a journal's writer, an interrupted measurement goes on where it stopped.
    let mut recorder = Recorder::new(Vec::new(), None, Arc::default());
    let mut connect = || -> Result<Box<dyn Device>, DeviceError> {
        Ok(Box::new(SyntheticDevice::named("quiet").map_err(DeviceError::Refused)?))
    };
    measure(&measurement, &mut recorder, &mut connect, &mut |_| {})?;
    let lut = from_journal(recorder.events())?;

    let estimator = Estimator::new(&lut);
    let mut batch =
        BatchEstimator::compile(&space, Runtime::TorchEager, &estimator).ok_or("a layer was not measured")?;
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    let mut ranked = Vec::new();
    for _ in 0..100 {
        let arch = space.sample(&mut rng);
        ranked.push((batch.score(&arch)?, arch));
    }
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (fastest, slowest) = (&ranked[0], &ranked[ranked.len() - 1]);
    if fastest.0 >= slowest.0 {
        return Err("all networks take the same time".into());
    }
    for (latency_ms, arch) in [fastest, slowest] {
        println!("{latency_ms:.4} ms {arch:?}");
    }
    Ok(())
}

#[test]
fn it_runs() {
    main().unwrap();
}
