//! The line from a space to a validated LUT, in virtual time.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::harness::{Folder, Ran};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn measured() -> Folder {
    let folder = Folder::new();
    folder.ok("measure --device synthetic:quiet --space small.toml -o a.parquet");
    folder
}

#[test]
fn measure_estimate_validate() {
    let folder = measured();
    let sample = folder.ok("space sample small.toml -n 3 --seed 7");
    assert_eq!(sample.lines().count(), 3);
    assert_eq!(sample, folder.ok("space sample small.toml -n 3 --seed 7"));
    assert_ne!(sample, folder.ok("space sample small.toml -n 3 --seed 8"));

    let mut child = folder
        .command("estimate --lut a.parquet --space small.toml --arch - --json --explain")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(sample.as_bytes()).unwrap();
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.stdout.lines().count(), 3);
    for line in ran.stdout.lines() {
        let estimate = json(line);
        let latency = estimate["latency_ms"].as_f64().unwrap();
        let interval: Vec<f64> =
            estimate["interval_ms"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        assert!(interval[0] < latency && latency < interval[1]);
        assert_eq!(estimate["coverage"], 1.0);
        let parts: f64 = estimate["nodes"].as_array().unwrap().iter().map(|n| n["latency_ms"].as_f64().unwrap()).sum();
        assert!((parts / latency - 1.0).abs() < 1e-9);
    }
}

/// In-context and whole runs agree on a quiet synthetic device; the control is a LUT with one layer made wrong.
#[test]
fn validation_is_near_and_notices_a_wrong_lut() {
    let folder = Folder::new();
    folder.ok("measure --device synthetic:quiet --space mobilenet-cifar10 -o a.parquet");
    let line = "validate --device synthetic:quiet --space mobilenet-cifar10 -n 20 --seed 3 --json --lut";
    let good = json(&folder.ok(&format!("{line} a.parquet")));
    assert_eq!(good["n"], 20);
    assert!(good["mape"].as_f64().unwrap() < 0.005, "{good}");
    assert_eq!(good["within_2"], 1.0);
    for key in ["level", "noise_floor", "bias", "within_5", "within_10", "spearman", "raw_mape", "rows"] {
        assert!(!good[key].is_null(), "{key}");
    }
    assert!(good["isolated_mape"].is_null());

    folder.ok("lut export a.parquet -o a.json");
    let mut lut = json(&String::from_utf8(folder.read("a.json")).unwrap());
    for row in lut["rows"].as_array_mut().unwrap() {
        if row["op"] == "conv" {
            let key = row["key"].as_str().unwrap().len() as f64;
            let mean = row["times"]["mean_ns"].as_f64().unwrap();
            row["times"]["mean_ns"] = Value::from(mean * (1.0 + 0.5 * (key * 7.0).sin()));
        }
    }
    std::fs::write(folder.path("wrong.json"), lut.to_string()).unwrap();
    let wrong = json(&folder.ok(&format!("{line} wrong.json")));
    assert!(wrong["mape"].as_f64().unwrap() > 0.01, "{}", wrong["mape"]);
}

/// The level of the synthetic device is another in each process; the mean over several has less of it and says how much.
#[test]
fn a_validation_in_several_processes_compares_their_means() {
    let folder = measured();
    let line = "validate --device synthetic:sessions --space small.toml -n 8 --seed 3 --json --max-rounds 8";
    folder.ok("measure --device synthetic:sessions --space small.toml -o s.parquet");
    let several = json(&folder.ok(&format!("{line} --lut s.parquet --processes 4")));
    let rows = several["rows"].as_array().unwrap();
    let times = |row: &Value| -> Vec<f64> {
        row["processes_ms"].as_array().unwrap().iter().map(|ms| ms.as_f64().unwrap()).collect()
    };
    let ratio = |process: usize| times(&rows[0])[process] / times(&rows[0])[0];
    for row in rows {
        let times = times(row);
        assert_eq!(times.len(), 4);
        assert!((times.iter().sum::<f64>() / 4.0 / row["measured_ms"].as_f64().unwrap() - 1.0).abs() < 1e-12);
        // What differs between processes is the level, which all networks share.
        assert!((1..4).all(|process| (times[process] / times[0] / ratio(process) - 1.0).abs() < 0.01), "{times:?}");
    }
    assert!((1..4).any(|process| (ratio(process) - 1.0).abs() > 0.01));
    assert!(several["noise_floor"].as_f64().unwrap() < 0.01, "the level is no noise: {several}");
    // Control: one process has one time a network.
    let one = json(&folder.ok(&format!("{line} --lut s.parquet")));
    assert!(one["rows"][0]["processes_ms"].is_null());
    let refused = folder.run(&format!("{line} --lut s.parquet --processes 2 --alone"));
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("--alone") && refused.stderr.contains("--processes"), "{}", refused.stderr);
}

#[test]
fn a_lut_survives_every_format_and_its_journal() {
    let folder = measured();
    folder.ok("lut rebuild a.journal.jsonl -o rebuilt.parquet");
    assert_eq!(folder.read("a.parquet"), folder.read("rebuilt.parquet"));
    for ending in ["csv", "json"] {
        folder.ok(&format!("lut export a.parquet -o x.{ending}"));
        folder.ok(&format!("lut export x.{ending} -o back.parquet"));
        assert_eq!(folder.read("a.parquet"), folder.read("back.parquet"), "{ending}");
    }
    assert_eq!(folder.ok("lut check a.parquet").trim(), "nothing suspicious");
    let table = folder.ok("lut show a.parquet");
    assert!(table.contains("calibration") && table.contains("conv("), "{table}");
}

#[test]
fn two_measurements_differ_by_their_noise_only() {
    let folder = measured();
    folder.ok("measure --device synthetic:quiet --space small.toml -o b.parquet --seed 5");
    let diff = json(&folder.ok("lut diff a.parquet b.parquet --json"));
    assert!(diff["p95_log_ratio"].as_f64().unwrap() < 0.02, "{diff}");
    assert!(diff["only_before"].as_array().unwrap().is_empty());
    folder.ok("measure --device synthetic:sessions --space small.toml -o c.parquet --seed 5");
    let shifted = json(&folder.ok("lut diff a.parquet c.parquet --json"));
    assert!(shifted["p95_log_ratio"].as_f64() > diff["p95_log_ratio"].as_f64());
}

#[test]
fn lists_and_help() {
    let folder = Folder::new();
    assert!(folder.ok("space list").contains("mobilenet-cifar10"));
    assert!(folder.ok("devices list").contains("synthetic:quiet"));
    assert!(folder.ok("devices check synthetic:quiet").contains("not observable"));
    assert!(folder.ok("--help").contains("Exit codes"));
    assert!(folder.ok("completions bash").contains("nasprof"));
    let show = json(&folder.ok("space show mobilenet-cifar10 --json"));
    assert_eq!(show["architectures"], "221502229807900608");
    assert_eq!(show["params"], 11_461_370);
    assert_eq!(show["average_macs_method"], "exact");
}

#[test]
fn a_space_says_what_to_expect() {
    let folder = measured();
    let shown = json(&folder.ok("space show small.toml --lut a.parquet --json"));
    let expected = &shown["expected"];
    assert_eq!(expected["latency_ms"]["method"], "exact");
    assert_eq!(expected["peak_memory_bytes"]["method"], "exact, over all 48 architectures");
    let average = expected["latency_ms"]["value"].as_f64().unwrap();
    let range = |name: &str| shown["drawn_latency_ms"][name].as_f64().unwrap();
    assert!(range("lowest") < average && average < range("highest"));
    let plain = json(&folder.ok("space show small.toml --json"));
    assert!(plain["expected"].is_null());
    assert!(plain["measuring"]["seconds"][0].as_f64().unwrap() < plain["measuring"]["seconds"][1].as_f64().unwrap());
    assert_eq!(
        plain["keys"].as_u64().unwrap() as usize,
        json(&folder.ok("lut show a.parquet --json"))["rows"].as_array().unwrap().len()
    );
    assert!(folder.ok("space show small.toml --lut a.parquet").contains("on average (exact)"));
    // A runtime that fuses is measured with fewer networks, and has fewer kinds of layers.
    let show = |more: &str| json(&folder.ok(&format!("space show mobilenet-cifar10 --json {more}")));
    let (torch, onnx) = (show("--backend torch"), show("--backend onnxruntime"));
    assert_eq!([&torch, &onnx].map(|shown| shown["measuring"]["networks"].as_u64()), [Some(45), Some(30)]);
    assert!(onnx["keys"].as_u64() < torch["keys"].as_u64(), "{} {}", onnx["keys"], torch["keys"]);
    assert_eq!(show(""), torch);
    folder.fails("space show small.toml --lut a.parquet --backend torch", 2, "--backend");
    folder.fails("space show mobilenet-cifar10 --lut a.parquet", 6, "space");
}

#[test]
fn a_distribution_is_estimated() {
    let folder = measured();
    let line = "estimate --lut a.parquet --space small.toml --json";
    let uniform = json(&folder.ok(&format!("{line} --distribution uniform --explain")));
    let shown = json(&folder.ok("space show small.toml --lut a.parquet --json"));
    assert_eq!(uniform["latency_ms"]["value"], shown["expected"]["latency_ms"]["value"]);
    // All on one architecture is that architecture.
    let arch = folder.ok("space sample small.toml --seed 3");
    std::fs::write(folder.path("arch.json"), &arch).unwrap();
    let one = json(&folder.ok(&format!("{line} --arch arch.json")));
    let mut file = json(&arch);
    for (_, selected) in file["choices"].as_object_mut().unwrap() {
        let name = selected.as_str().unwrap().to_owned();
        *selected = serde_json::json!({ name: 1.0 });
    }
    std::fs::write(folder.path("certain.json"), file.to_string()).unwrap();
    let certain = json(&folder.ok(&format!("{line} --distribution certain.json")));
    for key in ["latency_ms", "params", "macs", "peak_memory_bytes"] {
        let (a, b) = (certain[key]["value"].as_f64().unwrap(), one[key].as_f64().unwrap());
        assert!((a / b - 1.0).abs() < 1e-9, "{key}: {a} {b}");
    }
    // What is expected if a candidate is selected averages to what is expected.
    let of_first = uniform["latency_ms"]["if_selected"]["blocks/0"].as_object().unwrap();
    let mean = of_first.values().map(|v| v.as_f64().unwrap()).sum::<f64>() / of_first.len() as f64;
    assert!((mean / uniform["latency_ms"]["value"].as_f64().unwrap() - 1.0).abs() < 1e-9);

    std::fs::write(folder.path("bad.json"), file.to_string().replace("1.0", "0.5")).unwrap();
    folder.fails(&format!("{line} --distribution bad.json"), 2, "sum to 1");
    std::fs::write(folder.path("bad.json"), file.to_string().replace("blocks/0", "block/0")).unwrap();
    folder.fails(&format!("{line} --distribution bad.json"), 2, "did you mean `blocks/0`");
    folder.fails(&format!("{line} --distribution uniform --arch arch.json"), 2, "--arch");
    folder.fails(line, 2, "--arch");
    folder.fails("space show /dev/zero.toml", 2, "/dev/zero.toml");
}

/// On a synthetic device memory is what the graph says; the control is a LUT in which a layer needs a megabyte more.
#[test]
fn peak_memory_is_validated() {
    let folder = measured();
    let line = "validate --device synthetic:quiet --space small.toml -n 5 --memory --json --lut";
    let good = json(&folder.ok(&format!("{line} a.parquet")));
    assert_eq!((&good["n"], &good["worst"], &good["within_2"]), (&5.into(), &0.0.into(), &1.0.into()));
    folder.ok("lut export a.parquet -o a.json");
    let mut lut = json(&String::from_utf8(folder.read("a.json")).unwrap());
    for row in lut["rows"].as_array_mut().unwrap().iter_mut().filter(|row| row["op"] == "conv") {
        row["peak_memory_bytes"] = (row["peak_memory_bytes"].as_u64().unwrap() + (1 << 20)).into();
    }
    std::fs::write(folder.path("b.json"), lut.to_string()).unwrap();
    let wrong = json(&folder.ok(&format!("{line} b.json")));
    assert!(wrong["bias"].as_f64().unwrap() > 0.05, "{wrong}");
    assert_eq!(wrong["static_mape"], 0.0);
    assert!(wrong["rows"][0]["arch"]["choices"].is_object());
    folder.fails(&format!("{line} a.parquet --allow-noisy"), 2, "--memory");
}

/// Sessions of a journal, as the workloads that each visits.
fn visited(journal: &[u8]) -> Vec<BTreeSet<u64>> {
    let mut sessions = Vec::new();
    for line in String::from_utf8_lossy(journal).lines() {
        let event = &json(line)["event"];
        match event["event"].as_str() {
            Some("session") => sessions.push(BTreeSet::new()),
            Some("visit") => drop(sessions.last_mut().unwrap().insert(event["visit"]["unit"].as_u64().unwrap())),
            _ => {}
        }
    }
    sessions
}

/// Each network has a process for itself if asked for; the control is the same without asking.
#[test]
fn networks_are_validated_alone() {
    let folder = measured();
    let line = "validate --device synthetic:quiet --lut a.parquet --space small.toml -n 3 --json --journal";
    let alone = json(&folder.ok(&format!("{line} alone.jsonl --alone")));
    let together = json(&folder.ok(&format!("{line} together.jsonl")));
    assert_eq!((&alone["n"], &together["n"]), (&3.into(), &3.into()));
    assert!(alone["mape"].as_f64().unwrap() < 0.02 && alone["level"].is_f64(), "{alone}");
    let [alone, together] = ["alone.jsonl", "together.jsonl"].map(|name| visited(&folder.read(name)));
    assert_eq!(together.len(), 1);
    assert_eq!(alone.len(), together[0].len(), "a session for each unit");
    assert!(alone.iter().all(|workloads| workloads.len() == 1));
    assert_eq!(alone.into_iter().flatten().collect::<BTreeSet<_>>(), together[0]);
}
