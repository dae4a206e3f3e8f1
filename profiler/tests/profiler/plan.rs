//! Promise: every layer that some network of a space runs is planned, in a network that runs it, and no other is.

use std::collections::BTreeSet;

use nasprof_graph::expectation::keys_that_can_run;
use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Arch, GraphBuilder, LayerKey, Op};
use nasprof_profiler::engine::keys_of_space;
use nasprof_spaces::{Space, builtin_names};
use nasprof_testkit::engine::planned;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn run_by(space: &Space, runtime: Runtime, arch: &Arch) -> BTreeSet<LayerKey> {
    let network = runtime.subnet(&space.graph, arch).unwrap();
    network.layers().map(|(_, node)| LayerKey::of(&network, node)).collect()
}

#[test]
fn the_plan_of_every_shipped_space_has_what_can_run_and_nothing_else() {
    let mut told_apart = 0;
    for name in builtin_names() {
        let space = Space::builtin(name).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let keys = keys_of_space(&space, Runtime::TorchEager, &mut rng).unwrap();
        let expected: BTreeSet<LayerKey> = keys_that_can_run(&space.graph).unwrap().into_keys().collect();
        assert_eq!(keys.keys().cloned().collect::<BTreeSet<_>>(), expected, "{name}");
        for (key, (alone, _)) in &keys {
            let layers: Vec<LayerKey> = alone.layers().map(|(_, node)| LayerKey::of(alone, node)).collect();
            assert_eq!(layers, std::slice::from_ref(key), "{name}: what is tried is the layer alone");
        }
        let workloads = planned(&space, Runtime::TorchEager, &keys, &mut rng);
        let planned: BTreeSet<LayerKey> = workloads.iter().flat_map(|workload| workload.keys().cloned()).collect();
        assert_eq!(planned, expected, "{name}");
        let first: BTreeSet<LayerKey> = workloads[0].keys().cloned().collect();
        told_apart += u32::from(first != expected);
    }
    // Control: one network does not hold every layer, but for a few spaces.
    assert!(told_apart >= 10, "{told_apart}");
}

/// A layer behind a product that is zero unless each of `factors` choices takes its last of eight candidates.
fn needle(factors: usize) -> Space {
    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 4, 8, 8]).unwrap();
    let zero = b.add("zero", Op::Zero { stride: [1, 1] }, &[x]).unwrap();
    let mut factor = |i: usize| {
        let relu = b.add(&format!("relu{i}"), Op::Relu, &[x]).unwrap();
        let candidates: Vec<(String, _)> =
            (0..8).map(|c| (format!("c{c}"), if c == 7 { relu } else { zero })).collect();
        b.choice(&format!("choice{i}"), candidates).unwrap()
    };
    let all: Vec<_> = (0..factors).map(&mut factor).collect();
    let product = b.add("product", Op::Mul, &all).unwrap();
    let rare = b.add("rare", Op::conv(4, 3, 1, 1), &[product]).unwrap();
    let always = b.add("always", Op::Tanh, &[x]).unwrap();
    let sum = b.add("sum", Op::Add, &[rare, always]).unwrap();
    Space::new("needle", b.build(&[sum]).unwrap())
}

#[test]
fn a_layer_that_one_network_of_a_quarter_million_runs_is_found() {
    let space = needle(6);
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let rare = |key: &LayerKey| key.as_str().starts_with("conv");
    let keys = keys_of_space(&space, Runtime::TorchEager, &mut rng).unwrap();
    let (_, (_, witness)) = keys.iter().find(|(key, _)| rare(key)).unwrap();
    assert_eq!(witness.0, [7; 6]);
    assert!(run_by(&space, Runtime::TorchEager, witness).iter().any(rare));
    let workloads = planned(&space, Runtime::TorchEager, &keys, &mut rng);
    assert!(workloads.iter().any(|workload| workload.keys().any(rare)));
    // Control: drawing does not find it.
    assert!((0..1000).all(|_| !run_by(&space, Runtime::TorchEager, &space.sample(&mut rng)).iter().any(rare)));
}

#[test]
fn a_runtime_that_fuses_gets_the_layers_that_it_makes() {
    let space = Space::builtin("mobilenet-cifar10").unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let keys = keys_of_space(&space, Runtime::OnnxRuntime, &mut rng).unwrap();
    for _ in 0..20 {
        let drawn = run_by(&space, Runtime::OnnxRuntime, &space.sample(&mut rng));
        assert!(drawn.iter().all(|key| keys.contains_key(key)));
    }
    // Control: they are not those of a runtime that does not.
    let eager = keys_that_can_run(&space.graph).unwrap();
    assert!(keys.keys().any(|key| !eager.contains_key(key)));
    // Fewer networks hold them, each layer in several.
    let fused = planned(&space, Runtime::OnnxRuntime, &keys, &mut rng);
    let witnesses = keys_of_space(&space, Runtime::TorchEager, &mut rng).unwrap();
    let eager = planned(&space, Runtime::TorchEager, &witnesses, &mut rng);
    assert!(fused.len() >= 30 && fused.len() < eager.len(), "{} and {}", fused.len(), eager.len());
    let rarest = |key: &LayerKey| fused.iter().filter(|network| network.keys().any(|k| k == key)).count();
    assert!(keys.keys().all(|key| rarest(key) >= 3));
}

/// What is fused into a layer can depend on several choices: changing one at a time does not find all.
#[test]
fn layers_that_several_choices_make_together_are_found() {
    let space = Space::builtin("darts-cifar10").unwrap();
    let runtime = Runtime::OnnxRuntimeNchw16c;
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let keys = keys_of_space(&space, runtime, &mut rng).unwrap();
    let drawn: Vec<BTreeSet<LayerKey>> = (0..200).map(|_| run_by(&space, runtime, &space.sample(&mut rng))).collect();
    let unknown = drawn.iter().filter(|network| network.iter().any(|key| !keys.contains_key(key))).count();
    assert!(unknown <= 4, "{unknown} of 200 networks have a layer that is not planned");
    let workloads = planned(&space, runtime, &keys, &mut rng);
    let of_workloads: BTreeSet<&LayerKey> = workloads.iter().flat_map(|workload| workload.keys()).collect();
    let unplanned: Vec<&&LayerKey> = of_workloads.iter().filter(|key| !keys.contains_key(key)).collect();
    assert!(unplanned.is_empty(), "{unplanned:?}");
}
