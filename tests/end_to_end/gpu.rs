//! A GPU's latencies, precisions and failures through the commands, on a synthetic GPU.

use nasprof_graph::arch::ArchFile;
use nasprof_graph::runtime::Runtime;
use nasprof_profiler::protocol::{Precision, Timing};
use nasprof_profiler::synthetic::{MARK_NS, gpu_truth_ns};
use nasprof_spaces::SpaceSpec;
use serde_json::Value;

use crate::harness::Folder;

const SPACE: &str = "--space small.toml";

fn measured() -> Folder {
    let folder = Folder::new();
    folder.ok(&format!("measure --device synthetic:gpu {SPACE} -o gpu.parquet"));
    sample(&folder);
    folder
}

fn sample(folder: &Folder) {
    std::fs::write(folder.path("arch.json"), folder.ok("space sample small.toml --seed 5")).unwrap();
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn one_lut_is_asked_for_each_latency() {
    let folder = measured();
    let estimate = |timing: &str| {
        json(&folder.ok(&format!("estimate {SPACE} --lut gpu.parquet --arch arch.json --json{timing}")))["latency_ms"]
            .as_f64()
            .unwrap()
    };
    let (queue, graph, wall) = (estimate(" --timing queue"), estimate(" --timing graph"), estimate(" --timing wall"));
    assert!(graph < queue && queue < wall, "{graph} {queue} {wall}");
    assert!((estimate("") / queue - 1.0).abs() < 1e-12, "the usual one is `queue`");
    for (timing, most) in [("queue", 0.01), ("graph", 0.01), ("wall", 0.03)] {
        let line = format!("validate {SPACE} --lut gpu.parquet --device synthetic:gpu -n 6 --timing {timing} --json");
        let validation = json(&folder.ok(&line));
        assert!(validation["mape"].as_f64().unwrap() < most, "{validation}");
        assert_eq!(validation["timing"], timing);
    }
    // All of them from the same runs, which are those that one of them is compared from.
    let line = format!("validate {SPACE} --lut gpu.parquet --device synthetic:gpu -n 6");
    let all = json(&folder.ok(&format!("{line} --all-timings --json")));
    let told: Vec<&str> = all.as_array().unwrap().iter().map(|one| one["timing"].as_str().unwrap()).collect();
    assert_eq!(told, ["queue", "graph", "wall"]);
    assert_eq!(all[0], json(&folder.ok(&format!("{line} --json"))));
    assert!(all[2]["mape"].as_f64().unwrap() < 0.03 && all[2]["rows"] != all[0]["rows"], "{all}");
    assert_eq!(folder.ok(&format!("{line} --all-timings")).matches("MAPE").count(), 3);
    folder.fails(&format!("{line} --all-timings --timing wall"), 2, "--timing");
    // The least latency of a network, of each kind.
    for command in ["rank", "pareto"] {
        let least = |timing: &str| {
            let lines = folder.ok(&format!("{command} {SPACE} --lut gpu.parquet --json{timing}"));
            lines.lines().map(|line| json(line)["latency_ms"].as_f64().unwrap()).fold(f64::INFINITY, f64::min)
        };
        let (queue, graph, wall) = (least(" --timing queue"), least(" --timing graph"), least(" --timing wall"));
        assert!(graph < queue && queue < wall && least("") == queue, "{command}: {graph} {queue} {wall}");
    }
    let shown = folder.ok("lut show gpu.parquet");
    for part in ["subtracted", "graph", "wall"] {
        assert!(shown.contains(part), "no `{part}` in {shown}");
    }
}

#[test]
fn the_default_is_that_of_the_measurement() {
    let folder = measured();
    folder.ok(&format!("measure --device synthetic:gpu {SPACE} --timing wall -o wall.parquet"));
    let estimate = |line: &str| {
        json(&folder.ok(&format!("estimate {SPACE} --arch arch.json --json {line}")))["latency_ms"].clone()
    };
    assert_eq!(estimate("--lut wall.parquet"), estimate("--lut gpu.parquet --timing wall"));
    assert_eq!(estimate("--lut wall.parquet --timing graph"), estimate("--lut gpu.parquet --timing graph"));
}

/// A device with one latency is not asked for another, and says so before anything is measured.
#[test]
fn latencies_of_gpus_are_refused_elsewhere() {
    let folder = Folder::new();
    let line = format!("measure --device synthetic:quiet {SPACE} --timing wall -o quiet.parquet");
    folder.fails(&line, 2, "`wall` needs a GPU");
    assert!(!folder.path("quiet.parquet").exists());
    folder.ok(&format!("measure --device synthetic:quiet {SPACE} -o quiet.parquet --max-rounds 8"));
    sample(&folder);
    folder.fails(
        &format!("estimate {SPACE} --lut quiet.parquet --arch arch.json --timing wall"),
        6,
        "no latencies for the timing `wall`",
    );
    let validate = format!("validate {SPACE} --lut quiet.parquet --device synthetic:quiet");
    folder.fails(&format!("{validate} --timing graph"), 6, "`graph`");
    folder.fails(&format!("rank {SPACE} --lut quiet.parquet --timing graph"), 6, "`graph`");
    folder.fails(&format!("{validate} --all-timings"), 2, "one latency only");
}

#[test]
fn precision_is_part_of_the_context() {
    let folder = measured();
    folder.ok(&format!("measure --device synthetic:gpu {SPACE} --precision float16 -o half.parquet"));
    let estimate = |line: &str| {
        json(&folder.ok(&format!("estimate {SPACE} --arch arch.json --json {line}")))["latency_ms"].as_f64().unwrap()
    };
    assert!(estimate("--lut half.parquet") < 0.9 * estimate("--lut gpu.parquet"));
    estimate("--lut half.parquet --precision float16");
    folder.fails(
        &format!("estimate {SPACE} --lut half.parquet --arch arch.json --precision float32"),
        6,
        "precision is `float16`",
    );
    folder.fails("lut merge gpu.parquet half.parquet -o both.parquet", 6, "precision is `float32` in one");
    // What a device does not have is refused, not measured as something else.
    folder.fails(&format!("measure --device synthetic:gpu {SPACE} --precision int8 -o int8.parquet"), 2, "int8");
    folder.fails(
        &format!("measure --device synthetic:gpu {SPACE} --layout channels-last -o last.parquet"),
        2,
        "channels-last",
    );
}

/// A search for the largest network within a latency, whose winner is measured.
fn search(folder: &Folder, upper: f64, timing: &str) -> String {
    let text = format!(
        "format_version = 1\nspace = \"small.toml\"\ndevice = \"synthetic:gpu\"\n[searcher]\nkind = \"evolution\"\n\
         score = \"macs\"\n[[regularizers]]\nkind = \"reject\"\nquantity = \"latency\"\nupper = {upper}\n\
         lut = \"gpu.parquet\"\n{timing}"
    );
    std::fs::write(folder.path("search.toml"), text).unwrap();
    "search search.toml -o run --overwrite --json".to_owned()
}

/// The true latency of a search's winner, milliseconds. A run behind a queue includes the mark at its end.
fn truth(folder: &Folder, result: &Value, timing: Timing) -> f64 {
    let spec = SpaceSpec::parse(&std::fs::read_to_string(folder.path("small.toml")).unwrap()).unwrap();
    let space = spec.build("small").unwrap();
    let arch: ArchFile = serde_json::from_value(result["arch"].clone()).unwrap();
    let arch = arch.resolve(&arch.space, &space.choices).unwrap();
    let subnet = Runtime::TorchEager.subnet(&space.graph, &arch).unwrap();
    let mark_ns = if timing == Timing::Queue { MARK_NS } else { 0.0 };
    (gpu_truth_ns(&subnet, Precision::Float32, timing) + mark_ns) / 1e6
}

#[test]
fn a_search_keeps_to_the_timing_of_its_regularizer() {
    let folder = measured();
    let least = |timing: Timing| {
        let lines = folder.ok(&format!("rank {SPACE} --lut gpu.parquet --json --timing {}", timing.name()));
        lines.lines().map(|line| json(line)["latency_ms"].as_f64().unwrap()).fold(f64::INFINITY, f64::min)
    };
    for timing in [Timing::Graph, Timing::Queue, Timing::Wall] {
        let upper = 1.1 * least(timing);
        let line = search(&folder, upper, &format!("timing = \"{}\"\n", timing.name()));
        let result = json(&folder.ok(&line));
        let truth = truth(&folder, &result, timing);
        for ms in [&result["estimated_ms"], &result["measured"]["latency_ms"]] {
            assert!((ms.as_f64().unwrap() / truth - 1.0).abs() < 0.02, "{timing:?}: {truth} {result}");
        }
        assert_eq!((&result["measured"]["timing"], &result["within_limit"]), (&timing.name().into(), &true.into()));
        // The control: without the key, the default is meant.
        let line = search(&folder, upper, "");
        if timing == Timing::Graph {
            folder.fails(&line, 2, "no network meets a latency");
            continue;
        }
        let usual = json(&folder.ok(&line));
        assert_eq!(usual["measured"]["timing"], "queue");
        match timing {
            Timing::Queue => assert_eq!(usual["measured"], result["measured"]),
            _ => assert!(usual["macs"].as_u64() > result["macs"].as_u64(), "{usual} {result}"),
        }
    }
}

#[test]
fn timings_that_a_search_cannot_judge_by_are_refused() {
    let folder = measured();
    folder.ok(&format!("measure --device synthetic:quiet {SPACE} -o quiet.parquet --max-rounds 8"));
    let line = search(&folder, 1.0, "timing = \"graph\"\n");
    let of_a_cpu = "--set regularizers.0.lut=quiet.parquet --set device=synthetic:quiet";
    let refused = folder.fails(&format!("{line} {of_a_cpu}"), 2, "key `regularizers.0.timing`");
    assert!(refused.stderr.contains("hint: measure the space on a GPU"), "{}", refused.stderr);
    // Two timings of one LUT bound two latencies; the winner is measured with one.
    let second = "timing = \"graph\"\n[[regularizers]]\nkind = \"reject\"\nquantity = \"latency\"\nupper = 9\n\
                  lut = \"gpu.parquet\"\n";
    let line = search(&folder, 1.0, second);
    folder.fails(&line, 2, "key `regularizers.1.timing`");
    folder.ok(&format!("{line} --set regularizers.1.timing=graph"));
    let text = std::fs::read_to_string(folder.path("search.toml")).unwrap();
    std::fs::write(folder.path("search.toml"), text.replace("device = \"synthetic:gpu\"\n", "")).unwrap();
    let quantities = json(&folder.ok(&line))["quantities"].clone();
    assert!(quantities[0]["estimated"].as_f64() < quantities[1]["estimated"].as_f64(), "{quantities}");
}
