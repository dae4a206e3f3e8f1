//! Networks as ONNX models, out and in. What the models compute is tested beside the libtorch back end.

use std::fs;

use serde_json::Value;

use crate::harness::Folder;

/// A folder with one network of the small space as `net.onnx`.
fn exported() -> (Folder, Value) {
    let folder = Folder::new();
    fs::write(folder.path("arch.json"), folder.ok("space sample small.toml -n 1 --seed 2")).unwrap();
    let line = "export --space small.toml --arch arch.json --to onnx -o net.onnx --json";
    let report = serde_json::from_str(&folder.ok(line)).unwrap();
    (folder, report)
}

#[test]
fn an_exported_model_says_what_its_weights_are() {
    let (folder, report) = exported();
    assert_eq!((report["weights"].as_str(), report["seed"].as_u64()), (Some("random"), Some(0)));
    let model = folder.read("net.onnx");
    assert_eq!(report["bytes"], model.len());
    let holds = |text: &str| model.windows(text.len()).any(|w| w == text.as_bytes());
    for text in ["nasprof.weights", "random, not trained", "nasprof.seed", "\"space\":\"small\""] {
        assert!(holds(text), "{text}");
    }
    let line = "export --space small.toml --arch arch.json --to onnx -o";
    let ran = folder.run(&format!("{line} same.onnx"));
    assert!(ran.stderr.contains("the weights are random (seed 0)"), "{}", ran.stderr);
    assert_eq!(folder.read("same.onnx"), model);
    folder.ok(&format!("{line} other.onnx --seed 1"));
    assert_ne!(folder.read("other.onnx"), model);
}

#[test]
fn a_model_says_what_it_computes_with() {
    let (folder, report) = exported();
    assert_eq!(report["precision"], "float32");
    let line = "export --space small.toml --arch arch.json --json -o";
    let report = |line: &str| serde_json::from_str::<Value>(&folder.ok(line)).unwrap();
    let half = report(&format!("{line} half.onnx --precision float16"));
    let int8 = report(&format!("{line} int8.onnx --precision int8"));
    assert_eq!([&half["precision"], &int8["precision"]], ["float16", "int8"]);
    let bytes = ["net.onnx", "half.onnx", "int8.onnx"].map(|file| folder.read(file));
    assert!(bytes[0].len() > bytes[1].len() && bytes[1].len() > bytes[2].len());
    let says = |model: &[u8]| model.windows(15).any(|w| w == b"for timing only");
    assert!(says(&bytes[2]) && !says(&bytes[0]) && !says(&bytes[1]));
    folder.fails(&format!("{line} x.onnx --precision bfloat16"), 2, "hint: use float32, float16 or int8");
    folder.fails(&format!("{line} x.onnx --precision int8 --weights none.safetensors"), 2, "not calibrated");
    folder.fails(&format!("{line} x.svg --precision int8"), 2, "--to onnx");
    assert!(!folder.path("x.onnx").exists() && !folder.path("x.svg").exists());
}

#[test]
fn what_cannot_be_exported_is_refused_and_leaves_nothing() {
    let (folder, _) = exported();
    let line = "export --space small.toml --arch arch.json -o x.onnx --to";
    fs::write(folder.path("bad.safetensors"), "not tensors").unwrap();
    folder.fails(&format!("{line} onnx --weights bad.safetensors"), 2, "bad.safetensors: not a safetensors file");
    folder.fails(&format!("{line} onnx --weights none.safetensors"), 2, "none.safetensors");
    folder.fails(&format!("{line} onnx --view supernet"), 2, "--view");
    folder.fails(&format!("{line} dot --weights bad.safetensors"), 2, "--weights");
    assert!(!folder.path("x.onnx").exists());
}

/// Out and in again: the layers that a space's LUT has for this network, at a synthetic device's known times.
#[test]
fn a_model_is_measured_and_estimated_like_its_network() {
    let (folder, report) = exported();
    folder.ok("measure --device synthetic:quiet --model net.onnx -o model.parquet");
    folder.ok("measure --device synthetic:quiet --space small.toml -o space.parquet");
    let json = |line: &str| serde_json::from_str::<Value>(&folder.ok(line)).unwrap();
    let keys = |estimate: &Value| -> Vec<String> {
        let nodes = estimate["nodes"].as_array().unwrap();
        nodes.iter().map(|node| node["key"].as_str().unwrap().to_owned()).collect()
    };
    let model = json("estimate --lut model.parquet --model net.onnx --json --explain");
    let network = json("estimate --lut space.parquet --space small.toml --arch arch.json --json --explain");
    assert_eq!(keys(&model), keys(&network));
    for cost in ["params", "macs", "peak_memory_bytes"] {
        assert_eq!(model[cost], network[cost], "{cost}");
    }
    assert_eq!((&model["params"], &model["macs"]), (&report["params"], &report["macs"]));
    assert_eq!(model["coverage"], 1.0);
    let sum = |estimate: &Value| -> f64 {
        estimate["nodes"].as_array().unwrap().iter().map(|node| node["latency_ms"].as_f64().unwrap()).sum()
    };
    assert!((sum(&model) / sum(&network) - 1.0).abs() < 0.1, "{} {}", sum(&model), sum(&network));
    // A LUT of another network is another context.
    folder.fails("estimate --lut space.parquet --model net.onnx", 6, "space");
}

#[test]
fn a_model_that_cannot_be_read_is_refused_and_leaves_nothing() {
    let (folder, _) = exported();
    let model = folder.read("net.onnx");
    fs::write(folder.path("cut.onnx"), &model[..model.len() / 2]).unwrap();
    fs::write(folder.path("text.onnx"), "not a model").unwrap();
    for (arguments, naming) in [
        ("--model cut.onnx", "--model cut.onnx: not an ONNX model"),
        ("--model text.onnx", "--model text.onnx: not an ONNX model"),
        ("--model none.onnx", "--model none.onnx"),
        ("--model net.onnx --space small.toml", "cannot be used with"),
        ("", "required"),
    ] {
        folder.fails(&format!("measure --device synthetic:quiet -o x.parquet {arguments}"), 2, naming);
    }
    assert!(!folder.path("x.parquet").exists() && !folder.path("x.journal.jsonl").exists());
}

/// The sizes of inputs are the model's; where it leaves them open, those that are given.
#[test]
fn shapes_of_inputs_are_checked_against_the_model() {
    let (folder, _) = exported();
    let shape = "measure --device synthetic:quiet --model net.onnx -o x.parquet --input-shape";
    folder.fails(&format!("{shape} none=1x3x8x8"), 2, "the model has no input `none`");
    folder.fails(&format!("{shape} input=1x3"), 2, "4 dimensions, 2 are given");
    folder.fails(&format!("{shape} input=1x0x8x8"), 2, "a name and sizes");
    folder.fails("measure --device synthetic:quiet --space small.toml -o x.parquet --input-shape a=1", 2, "--model");
    assert!(!folder.path("x.parquet").exists());
}
