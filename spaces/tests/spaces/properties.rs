//! What holds for every architecture of every built-in space.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use nasprof_graph::arch::ArchFile;
use nasprof_graph::passes::{eliminate_dead_code, select};
use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Arch, Graph, NodeId, Op};
use nasprof_spaces::{Space, builtin_names};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn spaces() -> &'static [Space] {
    static SPACES: OnceLock<Vec<Space>> = OnceLock::new();
    SPACES.get_or_init(|| builtin_names().map(|name| Space::builtin(name).unwrap()).collect())
}

fn any_arch() -> impl Strategy<Value = (&'static Space, Arch)> {
    (0..spaces().len(), any::<u64>()).prop_map(|(space, seed)| {
        let space = &spaces()[space];
        (space, space.sample(&mut ChaCha8Rng::seed_from_u64(seed)))
    })
}

/// What the reference runs: evaluation on demand from the output, where a choice asks only for its selection and a
/// zero for nothing, as NNabla-NAS does. Shares no code with the passes.
fn demanded(space: &Space, arch: &Arch) -> HashSet<String> {
    let selected: HashMap<&str, u16> =
        space.choices.iter().map(|c| c.name.as_str()).zip(arch.0.iter().copied()).collect();
    let mut found = HashSet::new();
    let mut visited = HashSet::new();
    let mut open: Vec<NodeId> = space.graph.outputs().to_vec();
    while let Some(id) = open.pop() {
        if !visited.insert(id) {
            continue;
        }
        let node = space.graph.node(id);
        match &node.op {
            Op::Choice { choice, .. } => open.push(node.inputs[usize::from(selected[choice.as_str()])]),
            Op::Zero { .. } => {}
            op => {
                if op.is_layer() {
                    found.insert(node.name.clone());
                }
                open.extend(&node.inputs);
            }
        }
    }
    found
}

/// Trainable parameters and MACs, counted weight by weight and window by window.
fn counted(graph: &Graph) -> (u64, u64) {
    let (mut params, mut macs) = (0, 0);
    for node in graph.nodes() {
        let inputs = graph.input_shapes(node);
        match &node.op {
            Op::Conv { out_channels, kernel, groups, bias, .. } => {
                for _ in 0..*groups {
                    let weights = (inputs[0].0[1] / groups * (out_channels / groups) * kernel[0] * kernel[1]) as u64;
                    params += weights;
                    macs += weights * (node.shape.0[0] * node.shape.0[2] * node.shape.0[3]) as u64;
                }
                params += if *bias { *out_channels as u64 } else { 0 };
            }
            Op::Linear { out_features, bias } => {
                let weights = inputs[0].0[inputs[0].rank() - 1] * out_features;
                params += (weights + if *bias { *out_features } else { 0 }) as u64;
                macs += (weights * inputs[0].0[0]) as u64;
            }
            Op::BatchNorm { .. } => params += 2 * inputs[0].0[1] as u64,
            _ => {}
        }
    }
    (params, macs)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_pruned_network_is_what_evaluation_on_demand_runs((space, arch) in any_arch()) {
        let subnet = eliminate_dead_code(&select(&space.graph, &arch).unwrap());
        let layers: HashSet<String> = subnet.layers().map(|(_, node)| node.name.clone()).collect();
        prop_assert_eq!(layers, demanded(space, &arch));
        prop_assert!(subnet.choices().is_empty());
    }

    #[test]
    fn lowering_is_idempotent_and_leaves_a_good_graph((space, arch) in any_arch()) {
        for runtime in [Runtime::TorchEager, Runtime::OnnxRuntime] {
            let once = runtime.subnet(&space.graph, &arch).unwrap().into_graph();
            prop_assert_eq!(&runtime.lower(&once), &once);
            prop_assert_eq!(&eliminate_dead_code(&once), &once);
            let output = once.node(once.outputs()[0]);
            prop_assert_eq!(&output.shape, &space.graph.node(space.graph.outputs()[0]).shape);
            prop_assert_eq!(&once.clone().checked().unwrap(), &once);
        }
    }

    #[test]
    fn costs_equal_an_independent_count((space, arch) in any_arch()) {
        let subnet = Runtime::TorchEager.subnet(&space.graph, &arch).unwrap();
        let cost = subnet.cost();
        prop_assert_eq!((cost.params, cost.macs), counted(&subnet));
        let batch = subnet.with_batch(3).unwrap();
        prop_assert_eq!((batch.cost().params, batch.cost().macs), (cost.params, 3 * cost.macs));
        prop_assert_eq!(batch.peak_activation_bytes(), 3 * subnet.peak_activation_bytes());
    }

    #[test]
    fn architecture_files_round_trip((space, arch) in any_arch()) {
        let text = serde_json::to_string(&ArchFile::new(&space.name, &space.choices, &arch)).unwrap();
        let read: ArchFile = serde_json::from_str(&text).unwrap();
        let resolved = read.resolve(&space.name, &space.choices).unwrap();
        prop_assert_eq!(&resolved, &arch);
        let again = serde_json::to_string(&ArchFile::new(&space.name, &space.choices, &resolved)).unwrap();
        prop_assert_eq!(again, text);
    }

    #[test]
    fn networks_are_written_and_read_back_the_same((space, arch) in any_arch()) {
        let subnet = Runtime::TorchEager.subnet(&space.graph, &arch).unwrap().into_graph();
        let text = serde_json::to_string(&subnet).unwrap();
        let read: Graph = serde_json::from_str(&text).unwrap();
        let read = read.checked().unwrap();
        prop_assert_eq!(&read, &subnet);
        prop_assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }
}

#[test]
fn supernets_survive_a_file() {
    for space in spaces() {
        let text = serde_json::to_string(&space.graph).unwrap();
        let read: Graph = serde_json::from_str(&text).unwrap();
        assert_eq!(read.checked().unwrap(), space.graph, "{}", space.name);
    }
}
