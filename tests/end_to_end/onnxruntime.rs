//! The back end on ONNX Runtime: what happens without its library, and with it, where it is at hand. Times are never asserted.

use std::fs;
use std::process::Command;

use nasprof_testkit::skip::skip;
use serde_json::Value;

use crate::harness::{Folder, Ran};

const MEASURE: &str = "measure --device local --backend onnxruntime --space small.toml --max-rounds 8 --sessions 2 --allow-noisy \
                       -o a.parquet";

/// A command with the library named.
fn with_library(folder: &Folder, line: &str, library: &str) -> Ran {
    let path = folder.path(library);
    folder.command(line).env("NASPROF_ONNXRUNTIME", path).output().unwrap().into()
}

/// A folder, if this machine has the library.
fn at_hand() -> Option<Folder> {
    let folder = Folder::new();
    let ran = folder.run(&format!("{MEASURE} --budget 1s"));
    if ran.stderr.contains("found no libonnxruntime.so") {
        skip("there is no libonnxruntime.so (scripts/install-onnxruntime.sh)");
        return None;
    }
    for file in ["a.parquet", "a.journal.jsonl"] {
        let _ = fs::remove_file(folder.path(file));
    }
    Some(folder)
}

#[test]
fn a_missing_or_wrong_library_is_one_clear_error() {
    let folder = Folder::new();
    fs::create_dir(folder.path("empty")).unwrap();
    fs::write(folder.path("text.so"), "this is no library, but long enough for a header").unwrap();
    let mut other = fs::read(&folder.agent).unwrap();
    other.truncate(4096);
    // The machine of an ELF file: one that does not exist.
    other[18] ^= 0x5a;
    fs::write(folder.path("other.so"), &other).unwrap();
    fs::copy(&folder.agent, folder.path("program.so")).unwrap();
    for (library, naming) in [
        ("empty", "found no libonnxruntime.so"),
        ("nowhere", "found no libonnxruntime.so"),
        ("text.so", "is not a Linux library"),
        ("other.so", "is built for another architecture"),
        ("program.so", "program.so"),
    ] {
        for line in [MEASURE, "measure --device local --backend onnxruntime --model a.onnx"] {
            fs::write(folder.path("a.onnx"), "no model").unwrap();
            let ran = with_library(&folder, line, library);
            assert_eq!(ran.code, Some(2), "{library}: {}", ran.stderr);
            assert!(ran.stderr.contains(naming), "{library}: {}", ran.stderr);
            assert_eq!(ran.stderr.lines().filter(|line| line.starts_with("error:")).count(), 1, "{}", ran.stderr);
            assert!(!folder.path("a.parquet").exists() && !folder.path("a.journal.jsonl").exists(), "{library}");
        }
    }
    let missing = with_library(&folder, MEASURE, "empty");
    assert!(missing.stderr.contains("scripts/install-onnxruntime.sh"), "{}", missing.stderr);
}

#[test]
fn an_unknown_provider_and_isolated_layers_are_refused() {
    let folder = Folder::new();
    folder.fails(&MEASURE.replace("onnxruntime", "onnxruntime:gpu"), 2, "xnnpack");
    folder.fails("measure --device synthetic:quiet --space small.toml --input-shape a=1", 2, "--model");
    let Some(folder) = at_hand() else { return };
    folder.fails(&format!("{MEASURE} --mode isolated"), 2, "--mode isolated");
    // The library of this machine has no such provider; which ones it has is its matter.
    let ran = folder.run(&MEASURE.replace("onnxruntime", "onnxruntime:qnn"));
    assert!(ran.code == Some(2) && ran.stderr.contains("error:"), "{}", ran.stderr);
}

#[test]
fn a_space_is_measured_estimated_and_validated() {
    let Some(folder) = at_hand() else { return };
    let ran = folder.run(MEASURE);
    assert!(matches!(ran.code, Some(0 | 3)), "{}", ran.stderr);
    let lut: Value = serde_json::from_str(&folder.ok("lut show a.parquet --json")).unwrap();
    let rows = lut["rows"].as_array().unwrap();
    assert!(rows.len() > 5);
    let keys: Vec<&str> = rows.iter().map(|row| row["key"].as_str().unwrap()).collect();
    for row in rows {
        assert!(row["error"].is_null(), "{row}");
        assert!(row["times"]["mean_ns"].as_f64().unwrap() > 0.0, "{row}");
    }
    // Layers are fused, so there is no activation and no batch normalisation of its own.
    assert!(keys.iter().any(|key| key.starts_with("conv(") && key.contains("relu6")), "{keys:?}");
    assert!(!keys.iter().any(|key| key.starts_with("relu6(") || key.starts_with("batch_norm(")), "{keys:?}");
    let facts = &lut["context"]["facts"];
    assert_eq!(facts["runtime"], "ONNX Runtime");
    for fact in ["runtime_version", "provider", "layout", "optimization", "execution", "spinning", "precision"] {
        assert!(facts[fact].as_str().is_some_and(|value| !value.is_empty()), "{fact}: {facts}");
    }
    let estimate = "estimate --lut a.parquet --space small.toml --arch arch.json --json --explain";
    fs::write(folder.path("arch.json"), folder.ok("space sample small.toml -n 1 --seed 3")).unwrap();
    let estimate: Value = serde_json::from_str(&folder.ok(estimate)).unwrap();
    assert!(estimate["latency_ms"].as_f64().unwrap() > 0.0);
    let validation = folder.ok("validate --device local --lut a.parquet --space small.toml -n 2 --allow-noisy --json");
    let validation: Value = serde_json::from_str(&validation).unwrap();
    assert!(validation["level"].as_f64().unwrap() > 0.0);
    // The LUT is of another runtime than that of libtorch.
    folder.fails("estimate --lut a.parquet --space small.toml --arch arch.json --backend torch", 6, "backend");
}

/// Integers are measured, estimated, validated and timed like floats, and never taken for them.
#[test]
fn a_space_in_8_bit_integers_is_measured_estimated_and_validated() {
    let Some(folder) = at_hand() else { return };
    let ran = folder.run(&format!("{MEASURE} --precision int8"));
    assert!(matches!(ran.code, Some(0 | 3)), "{}", ran.stderr);
    let lut: Value = serde_json::from_str(&folder.ok("lut show a.parquet --json")).unwrap();
    assert_eq!(lut["context"]["facts"]["precision"], "int8");
    assert_eq!(lut["context"]["facts"]["layout"], "NHWC");
    assert_eq!(lut["context"]["header"]["precision"], "int8");
    let rows = lut["rows"].as_array().unwrap();
    let row = |start: &str| {
        let found = rows.iter().find(|row| row["key"].as_str().unwrap().starts_with(start));
        found.unwrap_or_else(|| panic!("no {start}: {rows:?}"))
    };
    for row in rows {
        assert!(row["error"].is_null() && row["times"]["mean_ns"].as_f64().unwrap() > 0.0, "{row}");
        assert!(row["peak_memory_bytes"].as_u64().is_some(), "{row}");
    }
    // Every convolution is one on integers, an activation is the range of its values; ends are converted.
    let convs: Vec<&str> =
        rows.iter().filter_map(|row| row["key"].as_str()).filter(|key| key.starts_with("conv(")).collect();
    assert!(
        convs.len() > 2 && convs.iter().all(|key| key.contains(",int8,nhwc)") && !key.contains("relu")),
        "{convs:?}"
    );
    row("quantize()[3x");
    row("dequantize()[");
    row("reorder(to=nhwc,int8)[3x");
    // An integer is a quarter of a float.
    let dequantize = row("dequantize()[");
    let shape = dequantize["input_shapes"].as_str().unwrap();
    let elements: u64 = shape.split('x').map(|size| size.parse::<u64>().unwrap()).product();
    assert_eq!(dequantize["bytes"], 5 * elements, "{dequantize}");
    fs::write(folder.path("arch.json"), folder.ok("space sample small.toml -n 1 --seed 3")).unwrap();
    let estimate = "estimate --lut a.parquet --space small.toml --arch arch.json --json --explain";
    let json: Value = serde_json::from_str(&folder.ok(estimate)).unwrap();
    assert!(json["latency_ms"].as_f64().unwrap() > 0.0 && json["coverage"] == 1.0, "{json}");
    let validate = "validate --device local --lut a.parquet --space small.toml -n 2 --allow-noisy --json";
    let validation: Value = serde_json::from_str(&folder.ok(validate)).unwrap();
    assert!(validation["level"].as_f64().unwrap() > 0.0);
    let time = "time --device local --space small.toml --arch arch.json --allow-noisy --ci 0.9 --json";
    let timed: Value = serde_json::from_str(&folder.ok(&format!("{time} --lut a.parquet"))).unwrap();
    assert!(timed["networks"][0]["estimate"]["latency_ms"].as_f64().unwrap() > 0.0, "{timed}");
    // A LUT answers for its own precision only.
    for line in [estimate, validate, &format!("{time} --lut a.parquet")] {
        folder.fails(&format!("{line} --precision float32"), 6, "precision is `int8` in the LUT");
        folder.ok(&format!("{line} --precision int8"));
    }
}

#[test]
fn precisions_that_the_runtime_or_a_model_does_not_have_are_refused() {
    let Some(folder) = at_hand() else { return };
    for (precision, hint) in
        [("float16", "hint: use --backend onnxruntime:cuda"), ("bfloat16", "hint: use --precision float16")]
    {
        let ran = folder.run(&format!("{MEASURE} --precision {precision}"));
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(
            ran.stderr.contains(&format!("precision {precision} with ONNX Runtime's provider cpu")),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains(hint), "{}", ran.stderr);
        assert!(!folder.path("a.parquet").exists());
    }
    folder.fails(&format!("{MEASURE} --layout channels-last"), 2, "hint: use --layout channels-first");
    fs::write(folder.path("arch.json"), folder.ok("space sample small.toml -n 1 --seed 3")).unwrap();
    folder.ok("export --space small.toml --arch arch.json -o model.onnx --precision int8");
    let measure = "measure --device local --backend onnxruntime --model model.onnx";
    folder.fails(&format!("{measure} --precision int8"), 2, "hint: `nasprof export --precision int8`");
    assert!(folder.ok(measure).contains("QLinearConv"));
}

#[test]
fn any_model_is_measured_kernel_by_kernel() {
    let Some(folder) = at_hand() else { return };
    fs::write(folder.path("arch.json"), folder.ok("space sample small.toml -n 1 --seed 3")).unwrap();
    folder.ok("export --space small.toml --arch arch.json -o model.onnx");
    let measure = "measure --device local --backend onnxruntime --model model.onnx --json -o model.json";
    let profile: Value = serde_json::from_str(&folder.ok(measure)).unwrap();
    let kernels = profile["kernels"].as_array().unwrap();
    assert!(kernels.len() > 3);
    let shares: f64 = kernels.iter().map(|kernel| kernel["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-9, "{shares}");
    let sum: f64 = kernels.iter().map(|kernel| kernel["ms"].as_f64().unwrap()).sum();
    let (whole, error) = (profile["whole"]["ms"].as_f64().unwrap(), profile["sum_error"].as_f64().unwrap());
    assert!((sum / whole - 1.0 - error).abs() < 1e-9, "{sum} {whole} {error}");
    assert_eq!(serde_json::from_slice::<Value>(&folder.read("model.json")).unwrap()["inputs"], profile["inputs"]);
    assert_eq!(profile["subject"]["backend"], "onnxruntime");
    // It is read again, and is like itself.
    assert!(folder.ok("lut show model.json --rows 3").starts_with("model.onnx on local, 1 thread: ONNX Runtime "));
    let diff: Value = serde_json::from_str(&folder.ok("lut diff model.json model.json --json")).unwrap();
    assert_eq!((diff["kernels"].as_array().unwrap().len(), &diff["whole"]["ratio"]), (kernels.len(), &1.0.into()));
    folder.ok("report model.json -o model.html");
    let table = folder.ok("measure --device local --backend onnxruntime --model model.onnx");
    assert!(table.contains("one run") && table.contains("Conv"), "{table}");
    let measure = "measure --device local --backend onnxruntime --model model.onnx";
    folder.fails(&format!("{measure} --input-shape other=1x3x16x16"), 2, "no input `other`");
    folder.fails(&format!("{measure} --input-shape input=1x4x16x16"), 2, "cannot have the shape");
    fs::write(folder.path("a.npz"), "PK").unwrap();
    folder.fails(&format!("{measure} --input a.npz"), 2, "a.npz");
    folder.fails(&format!("{measure} --input nowhere.npz"), 2, "nowhere.npz");
    folder.fails(&measure.replace("model.onnx", "nowhere.onnx"), 2, "nowhere.onnx");
    // The runtime's words.
    fs::write(folder.path("bad.onnx"), "no model").unwrap();
    folder.fails(&measure.replace("model.onnx", "bad.onnx"), 2, "bad.onnx");
}

/// The runtime reads a model by itself: operators that are unknown to our reader are no obstacle.
#[test]
fn any_model_is_timed_whole() {
    let Some(folder) = at_hand() else { return };
    fs::write(folder.path("arch.json"), folder.ok("space sample small.toml -n 1 --seed 3")).unwrap();
    let export = "export --space small.toml --arch arch.json -o model.onnx";
    folder.ok(&format!("{export} --precision int8"));
    // The control: our reader, which the other back ends need, does not take it.
    folder.fails("time --device synthetic:quiet --model model.onnx", 2, "QuantizeLinear");
    let time = "time --device local --backend onnxruntime --model model.onnx --allow-noisy --max-rounds 8";
    let timed = |line: &str| {
        let ran = folder.run(line);
        // Two processes of a busy machine differ.
        assert!(matches!(ran.code, Some(0 | 3)), "nasprof {line}\n{}{}", ran.stdout, ran.stderr);
        ran.stdout
    };
    let first = timed(&format!("{time} --processes 2 --json --journal times.jsonl"));
    let output: Value = serde_json::from_str(&first).unwrap();
    let network = &output["networks"][0];
    assert_eq!(network["name"], "model.onnx");
    assert_eq!(network["processes_ms"].as_array().unwrap().len(), 2);
    for name in ["mean_ms", "median_ms", "p90_ms", "p99_ms", "first_call_ms"] {
        assert!(network[name].as_f64().unwrap() > 0.0, "{name}: {network}");
    }
    // What stands in the model's place has no costs of its own.
    assert!(network["params"].is_null() && network["macs"].is_null() && output["batch"].is_null(), "{output}");
    let again = format!("{time} --processes 2 --json --journal times.jsonl --resume");
    assert_eq!(timed(&again), first);
    folder.fails(&format!("{time} --batch 2"), 2, "--input-shape");
    folder.fails(&format!("{time} --precision int8"), 2, "--precision int8 with --model");
    folder.fails("time --device synthetic:quiet --model model.onnx --input values.npz", 2, "--input");
    folder.fails(&format!("{time} --input nowhere.npz"), 2, "nowhere.npz");
    // Another model of the same name is another one.
    folder.ok(export);
    let refused = folder.run(&again);
    assert!(refused.code == Some(2) && refused.stderr.contains("space_digest"), "{}", refused.stderr);
}

/// A host asks a board's agent before it puts a library there.
#[test]
fn the_agent_says_where_its_library_is() {
    let folder = Folder::new();
    fs::write(folder.path("libonnxruntime.so.1.99.0"), "x").unwrap();
    let ask = |named: &str| {
        let output = Command::new(&folder.agent).arg("library").env("NASPROF_ONNXRUNTIME", folder.path(named)).output();
        let ran: Ran = output.unwrap().into();
        (ran.code, ran.stdout, ran.stderr)
    };
    let (code, found, _) = ask(".");
    assert!(code == Some(0) && found.ends_with("/libonnxruntime.so.1.99.0\n"), "{found}");
    fs::create_dir(folder.path("empty")).unwrap();
    let (code, found, problem) = ask("empty");
    assert_eq!((code, found.as_str()), (Some(3), ""));
    assert!(problem.contains("found no libonnxruntime.so"), "{problem}");
}

/// An agent that needs no library is as light as it was.
#[test]
fn the_agent_links_no_runtime() {
    let folder = Folder::new();
    let Ok(output) = Command::new("ldd").arg(&folder.agent).output() else {
        skip("this machine has no ldd");
        return;
    };
    let libraries = String::from_utf8(output.stdout).unwrap();
    assert!(libraries.contains("libc"), "{libraries}");
    assert!(!libraries.contains("onnxruntime") && !libraries.contains("torch"), "{libraries}");
}
