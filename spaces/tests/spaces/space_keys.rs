//! What space files can set around the choices: stem, last layers, squeeze and excitation. Counts are worked out by hand.

use nasprof_spaces::{Space, SpaceSpec, builtin_text};

fn build(text: &str) -> Result<Space, String> {
    SpaceSpec::parse(text).and_then(|spec| spec.build("test")).map_err(|e| e.to_string())
}

/// Parameters and multiply-accumulates.
fn counts(text: &str) -> (u64, u64) {
    let cost = build(text).unwrap().graph.cost();
    (cost.params, cost.macs)
}

/// Adds up (parameters, multiply-accumulates).
fn sum(parts: &[(u64, u64)]) -> (u64, u64) {
    parts.iter().fold((0, 0), |(params, macs), part| (params + part.0, macs + part.1))
}

/// A convolution of so many weights without bias, on a map of so many elements, and the normalisation of its channels.
fn conv_bn(weights: u64, map: u64, out: u64) -> (u64, u64) {
    (weights + 2 * out, weights * map)
}

/// Squeeze and excitation: two 1x1 convolutions with biases on a single element.
fn squeeze(channels: u64, between: u64) -> (u64, u64) {
    (2 * channels * between + between + channels, 2 * channels * between)
}

fn linear(inputs: u64, outputs: u64) -> (u64, u64) {
    (inputs * outputs + outputs, inputs * outputs)
}

const MOBILENET: &str = "format_version = 1\nkind = \"mobilenet\"\ninput = [3, 32, 32]\nnum_classes = 10\n\
    settings = [[24, 1, 1]]\ncandidates = [\"MB3 3x3\"]\nskip_connect = false\n";

#[test]
fn stem_last_and_squeeze_of_mobilenet() {
    let keys = "stem_channels = 24\nstem_kernel = 5\nstem_stride = 1\nfirst_channels = 8\nlast_channels = 64\n";
    let plain = [
        conv_bn(3 * 24 * 25, 1024, 24),
        // First block: depthwise, project.
        conv_bn(24 * 9, 1024, 24),
        conv_bn(24 * 8, 1024, 8),
        // The block: expand, depthwise, project.
        conv_bn(8 * 24, 1024, 24),
        conv_bn(24 * 9, 1024, 24),
        conv_bn(24 * 24, 1024, 24),
        conv_bn(24 * 64, 1024, 64),
        linear(64, 10),
    ];
    assert_eq!(counts(&format!("{MOBILENET}{keys}")), sum(&plain));
    let squeezed = counts(&format!("{MOBILENET}{keys}squeeze_excitation = [true]\n"));
    assert_eq!(squeezed, sum(&[sum(&plain), squeeze(24, 8)]));
    assert_eq!(squeezed, (6178, 4_842_496));
    assert_eq!(counts(&format!("{MOBILENET}{keys}squeeze_excitation = [false]\n")), sum(&plain));
    // Half as wide: 24 is 12, rounded up to 16; 8 stays 8, as the multiple above 4; the last layer is not narrowed.
    let half = build(&format!("{MOBILENET}{keys}width_mult = 0.5\n")).unwrap().graph;
    let channels = |name: &str| half.nodes().iter().find(|n| n.name == name).unwrap().shape.channels();
    assert_eq!(["stem/conv", "first/project/conv", "last/conv"].map(channels), [16, 8, 64]);
}

const MBV3: &str = "format_version = 1\nkind = \"ofa-mbv3\"\ninput = [3, 32, 32]\nnum_classes = 10\n\
    candidates = [\"MB3 3x3\"]\ndepths = [1]\n";

#[test]
fn stem_last_and_squeeze_of_ofa_mbv3() {
    let keys = "stem_channels = 8\nstem_stride = 1\nfirst_channels = 8\nlast_channels = [64, 128]\n\
                squeeze_excitation = [true, false, false, false, false]\n";
    // Expand on the map before, depthwise and project on the map behind.
    let block = |inputs: u64, hidden: u64, out: u64, before: u64, behind: u64| {
        sum(&[
            conv_bn(inputs * hidden, before, hidden),
            conv_bn(hidden * 9, behind, hidden),
            conv_bn(hidden * out, behind, out),
        ])
    };
    let by_hand = sum(&[
        conv_bn(3 * 8 * 9, 1024, 8),
        conv_bn(8 * 9, 1024, 8),
        conv_bn(8 * 8, 1024, 8),
        block(8, 24, 24, 1024, 256),
        squeeze(24, 8),
        block(24, 72, 40, 256, 64),
        block(40, 120, 80, 64, 16),
        block(80, 240, 112, 16, 16),
        block(112, 336, 160, 16, 4),
        conv_bn(160 * 64, 4, 64),
        (64 * 128, 64 * 128),
        linear(128, 10),
    ]);
    assert_eq!(by_hand, (189_042, 3_557_952));
    assert_eq!(counts(&format!("{MBV3}{keys}")), by_hand);
    // A wider stem kernel adds 16 more weights for each pair of channels.
    let wider = counts(&format!("{MBV3}{keys}stem_kernel = 5\n"));
    assert_eq!(wider, sum(&[by_hand, (3 * 8 * 16, 1024 * 3 * 8 * 16)]));
}

#[test]
fn stem_of_ofa_resnet50() {
    let text = "format_version = 1\nkind = \"ofa-resnet50\"\ninput = [3, 224, 224]\nnum_classes = 10\ndepths = [0]\n\
                expansions = [0.25]\nwidths = [1.0]\n";
    let narrow = counts(&format!("{text}stem_channels = [16, 32]\n"));
    // The three convolutions of the stem, and what reads the second half: the first block and its shortcut.
    let of_stem = |first: u64, second: u64| {
        sum(&[
            conv_bn(3 * first * 9, 112 * 112, first),
            conv_bn(first * first * 9, 112 * 112, first),
            conv_bn(first * second * 9, 112 * 112, second),
            (second * 64, second * 64 * 56 * 56),
            (second * 256, second * 256 * 56 * 56),
        ])
    };
    let (wide, by_hand) = (of_stem(32, 64), of_stem(16, 32));
    assert_eq!((wide.0 - by_hand.0, wide.1 - by_hand.1), (31_536, 297_644_032));
    let default = counts(text);
    assert_eq!((default.0 - narrow.0, default.1 - narrow.1), (31_536, 297_644_032));
}

#[test]
fn stem_of_zoph() {
    let text = builtin_text("zoph-cifar10").unwrap();
    let [small, default] = [format!("stem_kernels = [3, 3]\n{text}"), text.to_owned()].map(|text| counts(&text));
    // 49 less 9 weights for each pair of 3 and 128 channels, on 32x32.
    assert_eq!((default.0 - small.0, default.1 - small.1), (15_360, 15_728_640));
}

/// Keys that are left out are those of the networks so far.
#[test]
fn defaults_can_be_written_out() {
    let mobilenet = "stem_channels = 32\nstem_kernel = 3\nstem_stride = 2\nfirst_channels = 16\nlast_channels = 1280\n\
                     squeeze_excitation = []\n";
    let mbv3 = "stem_channels = 16\nstem_kernel = 3\nstem_stride = 2\nfirst_channels = 16\nlast_channels = [960, 1280]\n\
                squeeze_excitation = [false, true, false, true, true]\n";
    for (space, keys, other) in [
        ("mobilenet-cifar10", mobilenet, "last_channels = 1280"),
        ("ofa-mbv3", mbv3, "first_channels = 16"),
        ("ofa-resnet50", "stem_channels = [32, 64]\n", "[32, 64]"),
        ("zoph-cifar10", "stem_kernels = [7, 3]\n", "[7, 3]"),
    ] {
        let text = builtin_text(space).unwrap();
        let digest = |keys: &str| build(&format!("{keys}{text}")).unwrap().graph.digest();
        assert_eq!(digest(keys), digest(""), "{space}");
        // Control: another value is another network.
        let changed = keys.replace(other, &other.replace("1280", "1288").replace("16", "24").replace("3", "5"));
        assert_ne!(digest(&changed), digest(""), "{space}: {changed}");
    }
}

#[test]
fn values_that_make_no_sense_name_their_key() {
    let fails = |space: &str, line: &str, message: &str| {
        let text = builtin_text(space).unwrap();
        assert_eq!(build(&format!("{line}\n{text}")).unwrap_err(), message, "{space}: {line}");
    };
    for space in ["mobilenet-cifar10", "ofa-mbv3"] {
        fails(space, "stem_channels = 0", "key `stem_channels`: 0 is not in 1 to 65536");
        fails(space, "first_channels = 100000", "key `first_channels`: 100000 is not in 1 to 65536");
        fails(space, "stem_stride = 9", "key `stem_stride`: 9 is not in 1 to 8");
        fails(space, "stem_stride = 0", "key `stem_stride`: 0 is not in 1 to 8");
        let even = "key `stem_kernel`: 4 is even: padding keeps the size of a map for odd kernels only";
        fails(space, "stem_kernel = 4", even);
        fails(space, "stem_kernel = 101", "key `stem_kernel`: 101 is not in 1 to 99");
    }
    fails("mobilenet-cifar10", "last_channels = 0", "key `last_channels`: 0 is not in 1 to 65536");
    fails("ofa-mbv3", "last_channels = [960, 0]", "key `last_channels`: 0 is not in 1 to 65536");
    fails("mobilenet-cifar10", "squeeze_excitation = [true]", "key `squeeze_excitation`: 1 values for 6 stages");
    fails("ofa-mbv3", "squeeze_excitation = []", "key `squeeze_excitation`: 0 values for 5 stages");
    fails("ofa-resnet50", "stem_channels = [32, 0]", "key `stem_channels`: 0 is not in 1 to 65536");
    fails(
        "zoph-cifar10",
        "stem_kernels = [7, 2]",
        "key `stem_kernels`: 2 is even: padding keeps the size of a map for odd \
         kernels only",
    );
    // The stem's stride counts when the image is too small for all strides.
    let small = builtin_text("mobilenet-cifar10").unwrap().replace("[3, 32, 32]", "[3, 8, 8]");
    assert!(build(&small).is_ok());
    let message = build(&format!("stem_stride = 4\n{small}")).unwrap_err();
    assert_eq!(message, "key `input`: 8x8 is too small for strides that multiply to 16");
}
