//! Known facts about the once-for-all spaces, measured on NNabla-NAS' `ofa_mbv3`, `ofa_xception` and `ofa_resnet50`.

use std::collections::{BTreeMap, HashSet};

use nasprof_graph::arch::ArchFile;
use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Arch, Graph};
use nasprof_spaces::{Space, SpaceSpec, builtin_text};

fn space(name: &str) -> Space {
    Space::builtin(name).unwrap()
}

/// The built-in space with other lines for some of its keys.
fn with_lines(name: &str, lines: &[(&str, &str)]) -> Space {
    let mut table: toml::Table = toml::from_str(builtin_text(name).unwrap()).unwrap();
    for (key, value) in lines {
        let line: toml::Table = toml::from_str(&format!("{key} = {value}")).unwrap();
        table.extend(line);
    }
    SpaceSpec::parse(&table.to_string()).unwrap().build(name).unwrap()
}

fn params(graph: &Graph) -> u64 {
    graph.cost().params
}

/// The network that selects, in every choice, the first candidate that `wanted` names.
fn network(space: &Space, wanted: impl Fn(&str, &str) -> bool) -> Graph {
    let choices: BTreeMap<String, String> = space
        .choices
        .iter()
        .map(|c| (c.name.clone(), c.candidates.iter().find(|n| wanted(&c.name, n)).unwrap().clone()))
        .collect();
    let file = ArchFile { format_version: 1, space: space.name.clone(), choices };
    let arch = file.resolve(&space.name, &space.choices).unwrap();
    Runtime::TorchEager.subnet(&space.graph, &arch).unwrap().into_graph()
}

/// Names of layers without the candidate they were built for.
fn parameter_paths(graph: &Graph) -> Vec<&str> {
    graph.nodes().iter().filter(|n| n.op.has_parameters()).map(|n| n.parameter_path()).collect()
}

#[test]
fn mbv3() {
    let space = space("ofa-mbv3");
    // Shared parameters count once, so the supernet is as large as its largest network.
    assert_eq!(params(&space.graph), 7_664_760);
    let fullest = network(&space, |_, candidate| ["MB6 7x7", "4"].contains(&candidate));
    assert_eq!(params(&fullest), 7_664_760);
    assert_eq!(params(&with_lines("ofa-mbv3", &[("candidates", "[\"MB6 7x7\"]"), ("depths", "[4]")]).graph), 7_664_760);
    assert_eq!(space.choices.len(), 25);
    assert_eq!(space.networks().to_string(), "21758655492572485851");
    assert_eq!(space.architectures(), num_bigint::BigUint::from(9_u32).pow(20) * 243_u32);
}

/// The sub-network that the reference ships, by its indices: 9 leaves a block out.
#[test]
fn the_shipped_subnet_of_mbv3() {
    let stages = [[5, 2, 9, 9], [6, 4, 2, 1], [7, 7, 8, 9], [8, 3, 9, 9], [8, 4, 3, 1]];
    let candidates: Vec<String> =
        [3, 4, 6].iter().flat_map(|e| [3, 5, 7].map(|kernel| format!("MB{e} {kernel}x{kernel}"))).collect();
    let shipped = network(&space("ofa-mbv3"), |choice, candidate| {
        let (stage, rest) = choice.strip_prefix("stages/").unwrap().split_once('/').unwrap();
        let stage = stages[stage.parse::<usize>().unwrap()];
        match rest.strip_prefix("blocks/") {
            None => candidate == stage.iter().filter(|&&index| index < 9).count().to_string(),
            // What a block that is left out would be makes no difference.
            Some(block) => candidates.get(stage[block.parse::<usize>().unwrap()]).is_none_or(|name| name == candidate),
        }
    });
    assert_eq!(params(&shipped), 5_025_272);
}

#[test]
fn kernel_transforms_are_parameters_of_the_space() {
    let kernels = ("candidates", "[\"MB6 3x3\", \"MB6 5x5\", \"MB6 7x7\"]");
    let elastic = with_lines("ofa-mbv3", &[kernels, ("depths", "[4]")]);
    assert_eq!((params(&elastic.graph), elastic.params()), (7_664_760, 7_678_880));
    assert_eq!(elastic.kernel_transforms.len(), 20 * 2);
    let paths: HashSet<&str> = elastic.graph.nodes().iter().map(|n| n.parameter_path()).collect();
    assert!(elastic.kernel_transforms.iter().all(|t| paths.contains(t.convolution.as_str())));
    // One kernel has nothing to transform.
    let fixed = with_lines("ofa-mbv3", &[("candidates", "[\"MB6 7x7\"]"), ("depths", "[4]")]);
    assert_eq!(fixed.params(), 7_664_760);
    let xception = space("ofa-xception");
    let paths: HashSet<&str> = xception.graph.nodes().iter().map(|n| n.parameter_path()).collect();
    assert!(xception.kernel_transforms.iter().all(|t| paths.contains(t.convolution.as_str())));
    assert_eq!(xception.kernel_transforms.len(), 8 * 3 * 2);
}

#[test]
fn compound_spaces() {
    let compound = with_lines("ofa-mbv3", &[("compound", "true")]);
    assert_eq!(compound.networks().to_string(), "21924480357");
    assert_eq!(compound.networks(), num_bigint::BigUint::from(117_u32).pow(5));
    // The fullest network is that of depth 4, expansion 6 and kernel 7; it shares its weights with the others.
    let fullest = network(&compound, |_, candidate| ["7x7", "4"].contains(&candidate));
    assert_eq!((params(&fullest), params(&compound.graph)), (7_664_760, 7_664_760));
    // Depth 2 means expansion 3 in all blocks that are left.
    let plain = network(&space("ofa-mbv3"), |_, candidate| ["MB3 5x5", "2"].contains(&candidate));
    let shallow = network(&compound, |_, candidate| ["5x5", "2"].contains(&candidate));
    assert_eq!(shallow.cost(), plain.cost());
    let fixed = with_lines("ofa-mbv3", &[("compound", "true"), ("fixed_kernel", "true")]);
    assert_eq!((fixed.networks().to_string(), fixed.architectures().to_string()), ("243".to_owned(), "243".to_owned()));
    assert!(fixed.kernel_transforms.is_empty());
    let smallest_above = with_lines("ofa-mbv3", &[("compound", "true"), ("candidates", "[\"MB6 3x3\"]")]);
    assert_eq!(smallest_above.networks().to_string(), "243");
}

#[test]
fn a_depth_leaves_out_the_last_blocks_of_its_stage() {
    let space = space("ofa-mbv3");
    let shallow = network(&space, |_, candidate| ["MB6 7x7", "2"].contains(&candidate));
    let paths = parameter_paths(&shallow);
    assert!(paths.contains(&"stages/0/blocks/1/project/conv"));
    assert!(!paths.iter().any(|p| p.starts_with("stages/0/blocks/2")));
}

#[test]
fn xception() {
    let space = space("ofa-xception");
    assert_eq!(params(&space.graph), 23_554_832);
    assert_eq!(params(&with_lines("ofa-xception", &[("candidates", "[\"XP1 7x7 3\"]")]).graph), 23_554_832);
    assert_eq!(params(&with_lines("ofa-xception", &[("candidates", "[\"XP1 3x3 3\"]")]).graph), 22_855_952);
    let shipped = Arch(vec![19, 2, 20, 5, 8, 10, 26, 25]);
    assert_eq!(params(&Runtime::TorchEager.subnet(&space.graph, &shipped).unwrap()), 19_173_560);
    let narrow = ("stage_widths", "[16, 32, 64, 128, 256, 512, 768, 1024]");
    assert_eq!(with_lines("ofa-xception", &[narrow]).graph.node(space.graph.outputs()[0]).shape.0, [1, 1000]);
    assert_eq!(space.architectures(), num_bigint::BigUint::from(27_u32).pow(8));
    assert_eq!(space.networks(), num_bigint::BigUint::from(21_u32).pow(8));
}

#[test]
fn resnet50() {
    let space = space("ofa-resnet50");
    assert_eq!(params(&space.graph), 48_105_992);
    let largest = |choice: &str, candidate: &str| match candidate {
        "1" => choice.contains("width"),
        candidate => ["residual", "2", "0.35"].contains(&candidate),
    };
    assert_eq!(params(&network(&space, largest)), 48_105_992);
    let single = |depth, expansion| {
        let lines = [("depths", depth), ("expansions", expansion), ("widths", "[1.0]")];
        with_lines("ofa-resnet50", &lines)
    };
    assert_eq!(params(&single("[2]", "[0.35]").graph), 48_105_992);
    assert_eq!(params(&single("[2]", "[0.25]").graph), 30_109_256);
    assert_eq!(single("[2]", "[0.25]").architectures().to_string(), "1");
    assert_eq!(space.networks().to_string(), "2458914796962");
}

#[test]
fn widths_can_differ_from_stage_to_stage() {
    let space = space("ofa-resnet50");
    let mixed = network(&space, |choice, candidate| match choice {
        "stem/width_0" | "stages/1/width" => candidate == "0.65",
        "stem/width_1" | "stages/3/width" => candidate == "0.8",
        _ => ["1", "residual", "0.25"].contains(&candidate),
    });
    let shape = |name: &str| &mixed.nodes().iter().find(|n| n.name.ends_with(name)).unwrap().shape.0;
    assert_eq!(shape("stem/0_0.65/residual/add"), &[1, 24, 112, 112]);
    assert_eq!(shape("stem/1_0.8/pool"), &[1, 48, 56, 56]);
    assert_eq!(shape("stages/0/width_1/blocks/0/from_0.8/expand_0.25/relu"), &[1, 256, 56, 56]);
    assert_eq!(shape("stages/1/width_0.65/blocks/0/from_1/expand_0.25/relu"), &[1, 336, 28, 28]);
    assert_eq!(shape("classifier/from_0.8/linear"), &[1, 1000]);
}

#[test]
fn a_network_keeps_each_parameter_once() {
    for name in ["ofa-mbv3", "ofa-xception", "ofa-resnet50"] {
        let space = space(name);
        for index in [0, 1] {
            let arch = Arch(vec![index; space.choices.len()]);
            let graph = Runtime::TorchEager.subnet(&space.graph, &arch).unwrap();
            let paths = parameter_paths(&graph);
            assert_eq!(paths.iter().collect::<HashSet<_>>().len(), paths.len(), "{name}");
        }
    }
}
