//! Space files that make no sense: one clear error each, soon and without filling the memory.

use nasprof_graph::{GraphBuilder, GraphError, NodeId, Op};
use nasprof_spaces::blocks::darts::factorized_reduce;
use nasprof_spaces::{SpaceSpec, builtin_names, builtin_text};
use proptest::prelude::*;

fn build(text: &str) -> Result<(), String> {
    SpaceSpec::parse(text).and_then(|spec| spec.build("test")).map(drop).map_err(|e| e.to_string())
}

/// A built-in description with the line of one key replaced.
fn with_line(space: &str, key: &str, line: &str) -> String {
    let text = builtin_text(space).unwrap();
    let (before, rest) = text.split_once(&format!("\n{key} = ")).unwrap();
    // A value in brackets ends where a bracket ends a line.
    let after = if rest.starts_with("[\n") { rest.split_once("\n]\n") } else { rest.split_once('\n') };
    format!("{before}\n{line}\n{}", after.unwrap().1)
}

fn fails(space: &str, key: &str, line: &str, message: &str) {
    assert_eq!(build(&with_line(space, key, line)).unwrap_err(), message, "{space}: {line}");
}

#[test]
fn not_a_space_file() {
    let parse = |text: &str| build(text).unwrap_err();
    assert!(parse("= 1").contains("TOML parse error"));
    assert_eq!(parse(""), "key `format_version`: is missing; write `format_version = 1`");
    assert_eq!(parse("format_version = 2"), "key `format_version`: 2 is not known (this version reads 1)");
    assert!(parse("format_version = 1").starts_with("key `kind`: is missing; known: darts, "));
    assert_eq!(
        parse("format_version = 1\nkind = \"mobilnet\""),
        "key `kind`: no kind `mobilnet` (did you mean `mobilenet`?); known: darts, mobilenet, nasbench201, ofa-mbv3, ofa-resnet50, \
         ofa-xception, random-wired, zoph"
    );
    let part = parse("format_version = 1\nkind = \"resnet\"");
    assert!(part.starts_with("key `kind`: no kind `resnet` (did you mean `ofa-resnet50`?); known: darts, "), "{part}");
    let far = parse("format_version = 1\nkind = \"transformer\"");
    assert!(far.starts_with("key `kind`: no kind `transformer`; known: darts, mobilenet, "), "{far}");
    assert_eq!(parse("format_version = 1\nkind = 3"), "key `kind`: must be a string, not 3");
    assert_eq!(parse("format_version = 1\nkind = \"darts\""), "missing field `input`");
    assert_eq!(parse(&" ".repeat(2 << 20)), "the file is larger than 1 MiB");
}

#[test]
fn unknown_keys_and_wrong_types() {
    for name in builtin_names() {
        let text = builtin_text(name).unwrap();
        let message = build(&text.replacen("\nnum_classes", "\nnum_clases", 1)).unwrap_err();
        assert!(message.starts_with("unknown field `num_clases`"), "{message}");
        assert!(message.ends_with("(did you mean `num_classes`?)"), "{message}");
        let message = build(&with_line(name, "num_classes", "num_classes = -1")).unwrap_err();
        assert!(message.starts_with("key `num_classes`: ") && message.contains("-1"), "{message}");
        assert!(message.ends_with("expected a whole number of at least 0"), "{message}");
    }
    for (space, line, start) in [
        ("darts-cifar10", "input = [3, 32]", "key `input`: invalid length 2"),
        ("mobilenet-cifar10", "skip_connect = 1", "key `skip_connect`: invalid type: integer `1`"),
        ("zoph-cifar10", "cells = [{ channels = 1.5, blocks = 7, reducing = true }]", "key `cells.channels`: "),
        ("ofa-resnet50", "widths = [\"wide\"]", "key `widths`: "),
    ] {
        let message = build(&with_line(space, line.split_once(' ').unwrap().0, line)).unwrap_err();
        assert!(message.starts_with(start), "{line}: {message}");
    }
    let message = build(&builtin_text("zoph-cifar10").unwrap().replacen("\"zero\"", "\"zeros\"", 1)).unwrap_err();
    assert!(message.ends_with("(did you mean `zero`?)"), "{message}");
    let message = build(&builtin_text("zoph-cifar10").unwrap().replacen("blocks = 7", "block = 7", 1)).unwrap_err();
    assert!(message.ends_with("(did you mean `blocks`?)"), "{message}");
}

#[test]
fn every_space_refuses_an_absurd_image_or_class_count() {
    for name in builtin_names() {
        fails(name, "input", "input = [3, 0, 32]", "key `input`: 3x0x32 has no elements");
        fails(name, "input", "input = [0, 32, 32]", "key `input`: 0x32x32 has no elements");
        for (key, line) in [
            ("input", "input = [1000000000, 32, 32]"),
            ("input", "input = [3, 1000000000, 1000000000]"),
            ("num_classes", "num_classes = 1000000000000"),
        ] {
            let message = build(&with_line(name, key, line)).unwrap_err();
            assert!(message.contains("is too large (limit 2^36 elements)"), "{name}: {line}: {message}");
        }
        let message = build(&with_line(name, "num_classes", "num_classes = 0")).unwrap_err();
        assert!(message.contains("must be at least 1"), "{name}: {message}");
    }
}

#[test]
fn mobilenet() {
    let name = "mobilenet-cifar10";
    let small = "key `input`: 1x1 is too small for strides that multiply to 8";
    fails(name, "input", "input = [3, 1, 1]", small);
    let row = "key `settings`: [24, 0, 1]: channels, blocks and stride must be at least 1";
    fails(name, "settings", "settings = [[24, 0, 1]]", row);
    fails(name, "settings", "settings = []", "key `settings`: the list is empty");
    fails(name, "settings", "settings = [[24, 1000000000, 1]]", "key `settings`: more than 200 blocks");
    let stride = "key `input`: 32x32 is too small for strides that multiply to 2000000000";
    fails(name, "settings", "settings = [[24, 1, 1000000000]]", stride);
    fails(name, "candidates", "candidates = []", "key `candidates`: the list is empty");
    let twice = "key `candidates`: `MB3 3x3` is listed twice";
    fails(name, "candidates", "candidates = [\"MB3 3x3\", \"MB3 3x3\"]", twice);
    for candidate in ["MB3 0x0", "MB3 4x4", "MB0 3x3", "MB3 3x5", "MB1000000000 3x3", ""] {
        let message = format!("key `candidates`: `{candidate}` is not of the form `MB<expansion> <kernel>x<kernel>`");
        fails(name, "candidates", &format!("candidates = [\"{candidate}\"]"), &message);
    }
    let message = build(&with_line(name, "settings", "settings = [[1000000000, 4, 1]]")).unwrap_err();
    assert!(message.starts_with("node `blocks/0/MB3 3x3/project/conv` (conv): a tensor of shape "), "{message}");
    let wide = "key `width_mult`: inf is not in (0, 100]";
    fails(name, "skip_connect", "skip_connect = true\nwidth_mult = inf", wide);
    let dropped = "key `drop_rate`: 1 is not in [0, 1)";
    fails(name, "skip_connect", "skip_connect = true\ndrop_rate = 1.0", dropped);
}

#[test]
fn darts() {
    let name = "darts-cifar10";
    let small = "key `input`: 1x1 is too small for strides that multiply to 4";
    fails(name, "input", "input = [3, 1, 1]", small);
    let odd = "key `input`: 30x32 cannot be halved twice: both must be multiples of 4";
    fails(name, "input", "input = [3, 30, 32]", odd);
    let channels = "key `init_channels`: 15 is odd: a reduction halves its channels";
    fails(name, "init_channels", "init_channels = 15", channels);
    fails(name, "num_cells", "num_cells = 0", "key `num_cells`: 0 is not in 1 to 5000");
    fails(name, "num_cells", "num_cells = 1000000000", "key `num_cells`: 1000000000 is not in 1 to 5000");
    fails(name, "num_cells", "num_cells = 1000", "key `num_cells`: 14000 edges in all cells (limit 5000)");
    fails(name, "num_choices", "num_choices = 0", "key `num_choices`: 0 is not in 1 to 12");
    fails(name, "multiplier", "multiplier = 5", "key `multiplier`: 5 is not in 1 to 4");
    let none = "node `stem/conv` (conv): out_channels must be at least 1";
    fails(name, "stem_multiplier", "stem_multiplier = 0", none);
    let many = build(&with_line(name, "init_channels", "init_channels = 1000000000")).unwrap_err();
    assert!(many.contains("is too large"), "{many}");
    // The largest that passes.
    assert_eq!(build(&with_line(name, "num_cells", "num_cells = 357")), Ok(()));
}

#[test]
fn zoph() {
    let name = "zoph-cifar10";
    fails(name, "cells", "cells = []", "key `cells`: the list is empty");
    let blocks = "cells = [{ channels = 8, blocks = 1000000000, reducing = false }]";
    fails(name, "cells", blocks, "key `cells`: more than 500 blocks");
    fails(name, "candidates", "candidates = []", "key `candidates`: the list is empty");
    let twice = "key `candidates`: `zero` is listed twice";
    fails(name, "candidates", "candidates = [\"zero\", \"zero\"]", twice);
    fails(name, "input", "input = [3, 1, 1]", "key `input`: 1x1 is too small for strides that multiply to 4");
    let no_channels = "cells = [{ channels = 0, blocks = 1, reducing = false }]";
    fails(name, "cells", no_channels, "node `cells/0/input_0/conv` (conv): out_channels must be at least 1");
}

#[test]
fn random_wired() {
    let name = "random-wired-cifar10";
    fails(name, "vertices", "vertices = 0", "key `vertices`: 0 is not in 1 to 500");
    fails(name, "vertices", "vertices = 1000000000", "key `vertices`: 1000000000 is not in 1 to 500");
    fails(name, "neighbours", "neighbours = 20", "key `neighbours`: 20 is not in 0 to 19");
    fails(name, "rewiring", "rewiring = nan", "key `rewiring`: NaN is not in [0, 1]");
    fails(name, "rewiring", "rewiring = 0.5\ncandidates = []", "key `candidates`: 0 is not in 1 to 1000");
    let unknown = build(&with_line(name, "rewiring", "rewiring = 0.5\ncandidates = [\"sep_conv_3x4\"]")).unwrap_err();
    assert!(unknown.ends_with("(did you mean `sep_conv_3x3`?)"), "{unknown}");
    let none = "key `max_channels`: the range 128 to 128 is empty or starts at 0 (the end is excluded)";
    fails(name, "max_channels", "max_channels = 128", none);
    let none = "key `max_channels`: the range 0 to 512 is empty or starts at 0 (the end is excluded)";
    fails(name, "min_channels", "min_channels = 0", none);
    let wide = with_line(name, "min_channels", "min_channels = 1000000000");
    let wide = wide.replace("max_channels = 512", "max_channels = 2000000000");
    assert!(build(&wide).unwrap_err().contains("is too large"));
    // A map that cannot be halved any more is no error: such a vertex keeps its size.
    assert_eq!(build(&with_line(name, "input", "input = [3, 1, 1]")), Ok(()));
}

#[test]
fn once_for_all() {
    fails("ofa-mbv3", "depths", "depths = []", "key `depths`: the list is empty");
    fails("ofa-mbv3", "depths", "depths = [0]", "key `depths`: 0 is not in 1 to 16");
    fails("ofa-mbv3", "depths", "depths = [2, 2]", "key `depths`: `2` is listed twice");
    fails("ofa-mbv3", "candidates", "candidates = []", "key `candidates`: the list is empty");
    let form = "key `candidates`: `MB3 0x0` is not of the form `MB<expansion> <kernel>x<kernel>`";
    fails("ofa-mbv3", "candidates", "candidates = [\"MB3 0x0\"]", form);
    let form = "key `candidates`: `XP2 3x3 1` is not of the form `XP<expansion> <kernel>x<kernel> <depth>`";
    fails("ofa-xception", "candidates", "candidates = [\"XP2 3x3 1\"]", form);
    fails("ofa-resnet50", "widths", "widths = [nan]", "key `widths`: NaN is not in (0, 10]");
    fails("ofa-resnet50", "expansions", "expansions = [0.0]", "key `expansions`: 0 is not in (0, 1]");
    let many = "depths = [1000000000]";
    fails("ofa-resnet50", "depths", many, "key `depths`: 1000000000 is not in 0 to 8");
    let odd = "key `input`: 225x224 cannot be halved five times: both must be multiples of 32";
    fails("ofa-resnet50", "input", "input = [3, 225, 224]", odd);
    let deep = "depths = [5]\ncompound = true";
    fails("ofa-mbv3", "depths", deep, "key `depths`: a compound space has the depths 2, 3 and 4, not 5");
    let narrow = "candidates = [\"MB3 3x3\"]\ncompound = true";
    let message = "key `candidates`: none has the expansion 4 of depth 3";
    fails("ofa-mbv3", "candidates", narrow, message);
    let fixed = "candidates = [\"MB3 3x3\"]\nfixed_kernel = true";
    fails("ofa-mbv3", "candidates", fixed, "key `fixed_kernel`: no candidate has the kernel 5 of stage 1");
    let wide = "drop_rate = 0.0\nstage_widths = [32, 64, 128, 256, 1000000000, 1024, 1536, 2048]";
    let message = build(&with_line("ofa-xception", "num_classes", &format!("num_classes = 10\n{wide}"))).unwrap_err();
    assert_eq!(message, "key `stage_widths`: 1000000000 is not in 1 to 65536");
    for name in ["ofa-mbv3", "ofa-xception", "ofa-resnet50"] {
        let small = "key `input`: 1x1 is too small for strides that multiply to 32";
        fails(name, "input", "input = [3, 1, 1]", small);
    }
}

/// Graphs that no description leads to, but a program or a file of a graph can.
#[test]
fn impossible_graphs() {
    let refused = |build: &dyn Fn(&mut GraphBuilder, NodeId) -> Result<NodeId, GraphError>| {
        let mut b = GraphBuilder::new();
        let x = b.input("in", [1, 8, 1, 1]).unwrap();
        build(&mut b, x).unwrap_err().to_string()
    };
    let window = "node `y` (conv): a window of 3x3 does not fit input (1, 8, 1, 1) with its padding";
    assert_eq!(refused(&|b, x| b.add("y", Op::conv(8, 3, 2, 0), &[x])), window);
    let pool = Op::MaxPool { kernel: [2; 2], stride: [2; 2], pad: [0; 2] };
    let window = "node `y` (max_pool): a window of 2x2 does not fit input (1, 8, 1, 1) with its padding";
    assert_eq!(refused(&|b, x| b.add("y", pool.clone(), &[x])), window);
    let halved = "node `concat` (concat): 15 output channels cannot be halved";
    assert_eq!(refused(&|b, x| factorized_reduce(b, x, 15)), halved);
    let sum = refused(&|b, x| {
        let y = b.add("wider", Op::conv(16, 1, 1, 0), &[x])?;
        b.add("sum", Op::Add, &[x, y])
    });
    assert_eq!(sum, "node `sum` (add): shapes (1, 8, 1, 1) and (1, 16, 1, 1) do not match");
    assert_eq!(refused(&|b, _| b.choice("c", Vec::new())), "node `c` (choice): choice `c`: it has no candidates");
    let cycle = "node `y` (relu): input 1 does not come before the node: the graph has a cycle or a dangling reference";
    assert_eq!(refused(&|b, _| b.add("y", Op::Relu, &[NodeId(1)])), cycle);
    let wide = refused(&|b, x| b.add("y", Op::conv(1_000_000_000, 3, 1, 1), &[x]));
    assert_eq!(wide, "node `y` (conv): a tensor of shape (1000000000, 8, 3, 3) is too large (limit 2^36 elements)");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Any number in a description may be replaced by any other: the space is built or refused.
    #[test]
    fn no_number_makes_it_panic(space in 0_usize..64, position in any::<prop::sample::Index>(), value in number()) {
        let names: Vec<&str> = builtin_names().collect();
        let text = builtin_text(names[space % names.len()]).unwrap();
        let starts: Vec<usize> = text
            .char_indices()
            .filter(|&(i, c)| c.is_ascii_digit() && !text[..i].ends_with(|p: char| p.is_ascii_alphanumeric() || p == '.'))
            .map(|(i, _)| i)
            .collect();
        let start = starts[position.index(starts.len())];
        let end = start + text[start..].find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(0);
        if let Err(message) = build(&format!("{}{value}{}", &text[..start], &text[end..])) {
            prop_assert!(!message.is_empty());
        }
    }
}

fn number() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "0",
        "1",
        "2",
        "3",
        "5",
        "7",
        "64",
        "1000",
        "65536",
        "1000000000",
        "9223372036854775807",
        "-1",
        "0.5",
        "nan",
        "inf",
        "1e308",
        "\"text\"",
        "[]",
    ])
}
