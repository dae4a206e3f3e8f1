//! What a measurement says of how well it knows, and of the time it was given.

use serde_json::Value;

use crate::harness::Folder;

const MEASURE: &str = "measure --device synthetic:quiet --space small.toml -o a.parquet";

#[test]
fn a_budget_that_is_too_short_is_refused_at_once_and_leaves_nothing() {
    let folder = Folder::new();
    let ran = folder.run(&format!("{MEASURE} --budget 1s"));
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("--budget 1s is too short: about "), "{}", ran.stderr);
    // At once: no layer was tried. What it names is accepted.
    assert!(!ran.stderr.contains("planned"), "{}", ran.stderr);
    let (_, hint) = ran.stderr.split_once("hint: ").unwrap();
    let enough = hint.split(" is about enough").next().unwrap();
    assert!(!folder.path("a.parquet").exists() && !folder.path("a.journal.jsonl").exists());
    folder.ok(&format!("{MEASURE} {enough}"));
    assert!(folder.path("a.parquet").exists());
}

#[test]
fn the_summary_says_how_well_networks_and_layers_are_known() {
    let folder = Folder::new();
    let said = folder.ok(MEASURE);
    assert!(said.contains("; estimates ± ") && said.contains(" in the median, 0 of "), "{said}");
    let shown = folder.ok("lut show a.parquet");
    assert!(shown.contains("sum of layers") && shown.contains("timed run") && shown.contains("plain run"), "{shown}");
    assert!(shown.contains("estimates: ± ") && shown.contains("sums of layers ± "), "{shown}");
    assert!(!shown.contains("one session"), "{shown}");
    let alone = folder.ok("measure --device synthetic:quiet --space small.toml -o one.parquet --sessions 1");
    assert!(alone.contains("; one session: without the differences between processes"), "{alone}");
    let line = "measure --device synthetic:quiet --space small.toml -o b.parquet --seed 3 --json";
    let json: Value = serde_json::from_str(&folder.ok(line)).unwrap();
    let width = json["precision"]["networks"].as_f64().unwrap();
    assert!(width > 0.0 && width <= 0.01, "{width}");
    assert!(json["networks"].as_array().unwrap().len() >= 4 && json["networks"][0]["ms"].as_f64().unwrap() > 0.0);
    assert!(json["reconciliation"]["plain_ns"].as_f64().unwrap() > 0.0);
    // What is asked and not reached is exit code 3, with its LUT.
    let line = "measure --device synthetic:noisy --space small.toml -o c.parquet --ci 0.0001 --max-rounds 8";
    let ran = folder.run(line);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert!(folder.path("c.parquet").exists());
}

/// A model is told by its content, and what was measured of it is shown.
#[test]
fn a_model_under_another_name_is_the_same_and_its_time_is_shown() {
    let folder = Folder::new();
    std::fs::write(folder.path("arch.json"), folder.ok("space sample small.toml -n 1 --seed 2")).unwrap();
    folder.ok("export --space small.toml --arch arch.json --to onnx -o net.onnx");
    std::fs::copy(folder.path("net.onnx"), folder.path("same.onnx")).unwrap();
    let said: Value =
        serde_json::from_str(&folder.ok("measure --device synthetic:quiet --model net.onnx -o model.parquet --json"))
            .unwrap();
    let ms = said["networks"][0]["ms"].as_f64().unwrap();
    assert!(ms > 0.0);
    let shown = folder.ok("lut show model.parquet");
    assert!(shown.contains("measured whole: ") && shown.contains("nothing is fitted") && !shown.contains("(whole = "));
    let estimate = |model: &str, lut: &str| -> Value {
        serde_json::from_str(&folder.ok(&format!("estimate --lut {lut} --model {model} --json"))).unwrap()
    };
    let measured = estimate("same.onnx", "model.parquet")["measured_ms"].as_f64().unwrap();
    assert!((measured / ms - 1.0).abs() < 1e-9, "{measured} {ms}");
    assert!(folder.ok("estimate --lut model.parquet --model same.onnx").contains("\nmeasured whole: "));
    assert_eq!(
        estimate("net.onnx", "model.parquet")["latency_ms"],
        estimate("same.onnx", "model.parquet")["latency_ms"]
    );
    folder.ok("measure --device synthetic:quiet --model same.onnx -o model.parquet --resume");
    // Merged with a LUT that has an interval, a model has none: nobody compared it with the sum of its layers.
    folder.ok("measure --device synthetic:quiet --space small.toml -o space.parquet");
    assert!(estimate("net.onnx", "model.parquet")["interval_ms"].is_null());
    folder.ok("lut merge model.parquet space.parquet -o merged.parquet");
    assert!(estimate("net.onnx", "merged.parquet")["interval_ms"].is_null());
    // Its time, and what each part said of itself, are still there.
    let merged = estimate("net.onnx", "merged.parquet")["measured_ms"].as_f64().unwrap();
    assert!((merged / measured - 1.0).abs() < 1e-9, "{merged} {measured}");
    let shown = folder.ok("lut show merged.parquet");
    assert_eq!(shown.matches("before merging: sums of layers ± ").count(), 2, "{shown}");
    // A LUT is not merged with itself under another name.
    std::fs::copy(folder.path("space.parquet"), folder.path("again.parquet")).unwrap();
    folder.fails("lut merge space.parquet again.parquet -o twice.parquet", 2, "space.parquet and again.parquet");
}
