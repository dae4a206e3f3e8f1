//! Speed of the estimator: one architecture through the graph, and a population through the compiled table.

#![allow(missing_docs, reason = "criterion's macros make undocumented items")]
#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nasprof_graph::Arch;
use nasprof_graph::runtime::Runtime;
use nasprof_lut::{BatchEstimator, Estimator, Lut};
use nasprof_spaces::Space;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn estimator(c: &mut Criterion) {
    let space = Space::builtin("mobilenet-cifar10").unwrap();
    let lut: Lut = nasprof_testkit::luts::synthetic_lut(&space, "quiet", 0);
    let estimator = Estimator::new(&lut);
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let archs: Vec<Arch> = (0..100_000).map(|_| space.sample(&mut rng)).collect();
    c.bench_function("select, prune and estimate one", |b| {
        b.iter(|| estimator.latency_ms(&Runtime::TorchEager.subnet(&space.graph, &archs[0]).unwrap()));
    });
    c.bench_function("compile the space", |b| {
        b.iter(|| BatchEstimator::compile(&space, Runtime::TorchEager, &estimator).unwrap());
    });
    let mut batch = BatchEstimator::compile(&space, Runtime::TorchEager, &estimator).unwrap();
    let mut group = c.benchmark_group("population of 100,000");
    group.throughput(Throughput::Elements(archs.len() as u64));
    group.bench_function("one core", |b| b.iter(|| archs.iter().map(|arch| batch.score(arch).unwrap()).sum::<f64>()));
    let mut scores = Vec::new();
    group.bench_function("all cores", |b| b.iter(|| batch.score_all(&archs, &mut scores).unwrap()));
    group.finish();
}

criterion_group!(benches, estimator);
criterion_main!(benches);
