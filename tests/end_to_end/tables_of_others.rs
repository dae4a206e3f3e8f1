//! `nasprof lut merge` and `nasprof lut import`.

use serde_json::Value;

use crate::harness::Folder;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn luts_of_one_context_are_merged() {
    let folder = Folder::new();
    for seed in 0..2 {
        folder.ok(&format!("measure --device synthetic:quiet --space small.toml --seed {seed} -o {seed}.parquet"));
    }
    let merged = json(&folder.ok("lut merge 0.parquet 1.parquet -o both.parquet --json"));
    assert_eq!((&merged["parts"], merged["conflicts"].as_array().unwrap().len()), (&2.into(), 0));
    folder.ok("lut merge 1.parquet 0.parquet -o other.parquet");
    assert_eq!(folder.read("both.parquet"), folder.read("other.parquet"));
    let arch = folder.ok("space sample small.toml -n 1");
    std::fs::write(folder.path("arch.json"), arch).unwrap();
    folder.ok("estimate --lut both.parquet --space small.toml --arch arch.json");
    folder.ok("validate --device synthetic:quiet --lut both.parquet --space small.toml -n 3");
    folder.ok("lut show both.parquet");
    folder.ok("lut check both.parquet");
    // Refused: one alone, the same one twice, another context; nothing is written.
    folder.fails("lut merge 0.parquet -o no.parquet", 2, "2 values required");
    folder.fails("lut merge 0.parquet 0.parquet -o no.parquet", 2, "count twice");
    folder.ok("measure --device synthetic:quiet --space small.toml --seed 3 --batch 4 -o batch.parquet");
    folder.fails("lut merge 0.parquet batch.parquet -o no.parquet", 6, "batch is `1` in one and `4` in the other");
    folder.fails("lut merge 0.parquet none.parquet -o no.parquet", 2, "none.parquet");
    assert!(!folder.path("no.parquet").exists());
}

#[test]
fn a_foreign_table_is_marked_all_the_way_to_the_estimate() {
    let folder = Folder::new();
    folder.ok("measure --device synthetic:quiet --space small.toml -o a.parquet");
    folder.ok("lut export a.parquet -o a.json");
    let lut = json(&String::from_utf8(folder.read("a.json")).unwrap());
    let mut table = "key,latency_us\n".to_owned();
    for row in lut["rows"].as_array().unwrap() {
        let us = row["times"]["mean_ns"].as_f64().unwrap() / 1e3;
        table += &format!("\"{}\",{us:.5}\n", row["key"].as_str().unwrap());
    }
    std::fs::write(folder.path("table.csv"), &table).unwrap();
    let line = "lut import table.csv --format table --space small.toml --device board";
    let output = folder.ok(&format!("{line} -o b.parquet"));
    assert!(output.contains("flagged `imported`"), "{output}");
    std::fs::write(folder.path("arch.json"), folder.ok("space sample small.toml -n 1")).unwrap();
    let estimate = json(&folder.ok("estimate --lut b.parquet --space small.toml --arch arch.json --json --explain"));
    assert!(estimate["flags"].as_array().unwrap().contains(&"imported".into()));
    assert_eq!((&estimate["interval_ms"], &estimate["nodes"][0]["source"]), (&Value::Null, &"imported".into()));
    let words = folder.ok("estimate --lut b.parquet --space small.toml --arch arch.json --explain");
    assert!(words.contains("from an imported table"), "{words}");
    // Control: an estimate of the measured LUT says nothing of the kind.
    assert!(!folder.ok("estimate --lut a.parquet --space small.toml --arch arch.json").contains("imported"));
    for shown in ["lut show b.parquet", "lut diff a.parquet b.parquet", "report b.parquet -o b.html"] {
        folder.ok(shown);
    }
    // One number everywhere is no measurement.
    let filled: String = table.lines().map(|l| l.rsplit_once(',').unwrap().0.to_owned() + ",7\n").collect();
    std::fs::write(folder.path("table.csv"), filled.replacen(",7\n", ",latency_us\n", 1)).unwrap();
    let ran = folder.fails(&format!("{line} -o c.parquet"), 2, "is implausible");
    assert!(ran.stderr.contains("--allow-suspicious"), "{}", ran.stderr);
    folder.ok(&format!("{line} -o c.parquet --allow-suspicious"));
    folder.fails(&format!("{line} -o d.parquet --unit ms"), 2, "table.csv: the column is in us");
    folder.fails("lut import no.csv --format table --space small.toml --device board -o d.parquet", 2, "no.csv");
    folder.fails(
        "lut import arch.json --format nnabla --unit ms --space small.toml --device board -o d.parquet",
        2,
        "arch.json",
    );
    assert!(!folder.path("d.parquet").exists());
}

/// A profile has layers of its own: it is shown, compared and reported under their names.
#[test]
fn the_profile_of_another_runtime_is_shown_compared_and_reported() {
    let folder = Folder::new();
    let profile = |ms: f64| {
        format!(
            r#"[{{"count": 100}}, {{"name": "Conv_0 + Relu_0", "averageMs": {ms}}}, {{"name": "Gemm_1", "averageMs": 0.5}}]"#
        )
    };
    for (name, ms) in [("a", 0.25), ("b", 0.75)] {
        std::fs::write(folder.path(&format!("{name}.json")), profile(ms)).unwrap();
        folder.ok(&format!("lut import {name}.json --format trtexec --device jetson -o {name}.parquet"));
    }
    let shown = folder.ok("lut show a.parquet");
    for expected in
        ["a on jetson, 1 thread: profile of trtexec, a.json", "no plain run was timed", " 33.3 %", "Conv_0 + Relu_0"]
    {
        assert!(shown.contains(expected), "no `{expected}` in {shown}");
    }
    let diff = json(&folder.ok("lut diff a.parquet b.parquet --json"));
    assert_eq!((diff["kernels"].as_array().unwrap().len(), &diff["kernels"][0]["ratio"]), (2, &3.0.into()));
    folder.ok("report a.parquet -o a.html");
    let page = String::from_utf8(folder.read("a.html")).unwrap();
    assert!(page.contains("Conv_0 + Relu_0") && page.contains("imported from a profile of trtexec"));
    let line = "lut import a.json --device jetson -o no.parquet --format";
    folder.fails(&format!("{line} trtexec --space small.toml"), 2, "defines its own layers");
    folder.fails(&format!("{line} table"), 2, "--space");
    folder.fails(&format!("{line} tflite-csv"), 2, "a.json: not a profile of TensorFlow Lite");
    assert!(!folder.path("no.parquet").exists());
}
