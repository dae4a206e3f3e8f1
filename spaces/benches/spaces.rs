//! Speed of building spaces, selecting sub-networks, and what `nasprof space show` needs.

#![allow(missing_docs, reason = "criterion's macros make undocumented items")]
#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nasprof_graph::Arch;
use nasprof_graph::expectation::{ExpectedCost, Sampling, keys_that_can_run};
use nasprof_graph::runtime::Runtime;
use nasprof_graph::selector::Selector;
use nasprof_spaces::Space;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn selecting(c: &mut Criterion) {
    let mut group = c.benchmark_group("select");
    for name in ["mobilenet-cifar10", "darts-cifar10", "pnas-cifar10"] {
        let space = Space::builtin(name).unwrap();
        let rng = &mut ChaCha8Rng::seed_from_u64(0);
        let archs: Vec<Arch> = (0..1000).map(|_| space.sample(rng)).collect();
        let mut selector = Selector::new(&space.graph);
        group.throughput(Throughput::Elements(archs.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| archs.iter().map(|arch| selector.select(arch).unwrap().len()).sum::<usize>());
        });
    }
    group.finish();
    let space = Space::builtin("mobilenet-cifar10").unwrap();
    let arch = space.sample(&mut ChaCha8Rng::seed_from_u64(0));
    c.bench_function("subnet/mobilenet-cifar10", |b| {
        b.iter(|| Runtime::TorchEager.subnet(&space.graph, black_box(&arch)).unwrap());
    });
}

fn building(c: &mut Criterion) {
    for name in ["mobilenet-cifar10", "pnas-cifar10", "ofa-resnet50"] {
        c.bench_function(&format!("build/{name}"), |b| b.iter(|| Space::builtin(black_box(name)).unwrap()));
        let space = Space::builtin(name).unwrap();
        c.bench_function(&format!("keys/{name}"), |b| b.iter(|| keys_that_can_run(&space.graph).unwrap()));
        c.bench_function(&format!("modules/{name}"), |b| b.iter(|| space.graph.modules()));
    }
}

fn expecting(c: &mut Criterion) {
    for name in ["mobilenet-cifar10", "darts-cifar10", "pnas-cifar10"] {
        let space = Space::builtin(name).unwrap();
        let compile = || ExpectedCost::macs(&space.graph, Runtime::TorchEager, Sampling::default()).unwrap();
        c.bench_function(&format!("compile expected cost/{name}"), |b| b.iter(compile));
        let (mut expected, uniform) = (compile(), space.uniform_probabilities());
        let mut gradient = uniform.clone();
        c.bench_function(&format!("expected cost with gradient/{name}"), |b| {
            b.iter(|| expected.evaluate(&uniform, &mut gradient).unwrap());
        });
    }
}

criterion_group!(benches, selecting, building, expecting);
criterion_main!(benches);
