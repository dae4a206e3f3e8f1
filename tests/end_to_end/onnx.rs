//! Networks as ONNX models, out and in. What the models compute is tested beside the libtorch back end.

use std::fs;

use serde_json::Value;

use crate::harness::Folder;

/// A folder with one network of the small space as `net.onnx`.
fn exported() -> (Folder, Value) {
    let folder = Folder::new();
    fs::write(folder.path("arch.json"), folder.ok("space sample small.toml -n 1 --seed 2")).unwrap();
    let line = "export --space small.toml --arch arch.json --to onnx -o net.onnx --json";
    let told = serde_json::from_str(&folder.ok(line)).unwrap();
    (folder, told)
}

#[test]
fn an_exported_model_says_what_its_weights_are() {
    let (folder, told) = exported();
    assert_eq!((told["weights"].as_str(), told["seed"].as_u64()), (Some("random"), Some(0)));
    let model = folder.read("net.onnx");
    assert_eq!(told["bytes"], model.len());
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
