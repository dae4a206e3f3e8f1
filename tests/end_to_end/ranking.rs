//! `nasprof rank` and `nasprof pareto`.

use std::fs;

use serde_json::Value;

use crate::harness::Folder;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(json).collect()
}

fn value(line: &Value, name: &str) -> f64 {
    line[name].as_f64().unwrap()
}

fn measured() -> Folder {
    let folder = Folder::new();
    folder.ok("measure --device synthetic:quiet --space small.toml -o a.parquet");
    folder
}

const RANK: &str = "rank --lut a.parquet --space small.toml --json";

/// All networks of the space by `estimate`, which ranks nothing.
fn estimates(folder: &Folder) -> Vec<Value> {
    fs::write(folder.path("many.jsonl"), folder.ok("space sample small.toml -n 2000")).unwrap();
    lines(&folder.ok("estimate --lut a.parquet --space small.toml --arch many.jsonl --json"))
}

#[test]
fn the_best_networks_within_limits_are_listed() {
    let folder = measured();
    let ran = folder.run(&format!("{RANK} --top 5"));
    assert!(ran.code == Some(0) && ran.stderr.contains("exact: all "), "{}", ran.stderr);
    let fastest = lines(&ran.stdout);
    let mut all: Vec<(f64, f64)> =
        estimates(&folder).iter().map(|e| (value(e, "latency_ms"), value(e, "params"))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all.dedup();
    assert_eq!(fastest.len(), 5);
    assert!((value(&fastest[0], "latency_ms") / all[0].0 - 1.0).abs() < 1e-9);
    assert!(fastest.is_sorted_by(|a, b| value(a, "latency_ms") <= value(b, "latency_ms")));
    // With a limit the best are others, and within it; the largest first.
    // One network is at the limit, but for rounding.
    let limit = all[all.len() / 2].0 * (1.0 + 1e-9);
    let largest = lines(&folder.ok(&format!("{RANK} --top 3 --by params --max-latency {limit}")));
    assert!(largest.iter().all(|line| value(line, "latency_ms") <= limit));
    let most = all.iter().filter(|(latency, _)| *latency <= limit).map(|(_, params)| *params).fold(0.0, f64::max);
    assert!(value(&largest[0], "params") >= most);
    let free = lines(&folder.ok(&format!("{RANK} --top 1 --by params")));
    assert!(value(&free[0], "params") > value(&largest[0], "params"), "the control: the limit binds");
    // What is listed is an architecture for other commands.
    fs::write(folder.path("best.json"), fastest[0]["arch"].to_string()).unwrap();
    let estimate = json(&folder.ok("estimate --lut a.parquet --space small.toml --arch best.json --json"));
    assert!((value(&estimate, "latency_ms") / value(&fastest[0], "latency_ms") - 1.0).abs() < 1e-9);
    let table = folder.ok("rank --lut a.parquet --space small.toml --max-params 1M --top 2");
    assert!(table.contains("latency") && table.lines().count() == 3, "{table}");
    folder.fails(&format!("{RANK} --max-latency 0.000001"), 2, "no network is within the limits");
    folder.fails(&format!("{RANK} --max-params 2T"), 2, "500k or 2M");
    folder.fails(&format!("{RANK} --max-latency=-1"), 2, "--max-latency");
    folder.fails("rank --lut a.parquet --space mobilenet-cifar10", 6, "space");
    folder.fails("rank --lut missing.parquet", 2, "missing.parquet");
}

#[test]
fn a_table_of_accuracies_is_ranked_within_limits() {
    let folder = measured();
    let archs = folder.ok("space sample small.toml -n 40 --seed 4");
    let mut archs: Vec<&str> = archs.lines().collect();
    archs.sort_unstable();
    archs.dedup();
    let quoted = |arch: &str| format!("\"{}\"", arch.replace('"', "\"\""));
    let rows: Vec<String> =
        archs.iter().enumerate().map(|(i, arch)| format!("{},{}", quoted(arch), 0.5 + i as f64 / 100.0)).collect();
    let good = format!("arch,accuracy\n{}\n", rows.join("\n"));
    fs::write(folder.path("table.csv"), &good).unwrap();
    let line = format!("{RANK} --accuracy-table table.csv --top 3");
    let ranked = lines(&folder.ok(&line));
    let scores: Vec<f64> = ranked.iter().map(|line| value(line, "score")).collect();
    let best = 0.5 + (archs.len() - 1) as f64 / 100.0;
    assert!((scores[0] - best).abs() < 1e-9 && scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    assert_eq!(ranked[0]["arch"], json(archs[archs.len() - 1]));
    // A limit that the best one exceeds.
    let limit = value(&ranked[0], "params") - 1.0;
    let within = lines(&folder.ok(&format!("{line} --max-params {limit}")));
    assert!(within.iter().all(|line| value(line, "params") <= limit) && within[0] != ranked[0]);
    for (from, to, expected) in [
        ("accuracy\n", "score\n", "no column `accuracy`"),
        (",0.5\n", ",none\n", "line 2: `accuracy` is `none`"),
        (rows[1].as_str(), rows[0].as_str(), "line 3: duplicate of the network in line 2"),
        ("\"\"small\"\"", "\"\"large\"\"", "line 2: "),
    ] {
        let changed = good.replacen(from, to, 1);
        assert_ne!(changed, good, "{expected}");
        fs::write(folder.path("bad.csv"), changed).unwrap();
        folder.fails(&format!("{RANK} --accuracy-table bad.csv"), 2, expected);
    }
    folder.fails(&format!("{RANK} --accuracy-table none.csv"), 2, "none.csv");
    folder.ok(&format!("{RANK} --accuracy-table table.csv --column accuracy"));
}

#[test]
fn a_front_is_listed_written_and_drawn() {
    let folder = measured();
    let line = "pareto --lut a.parquet --space small.toml --json -o front.csv --picture front.svg";
    let front = lines(&folder.ok(line));
    assert!(
        front.len() > 2
            && front.is_sorted_by(
                |a, b| value(a, "latency_ms") < value(b, "latency_ms") && value(a, "macs") < value(b, "macs")
            )
    );
    // No network of the space beats one of the front.
    for other in estimates(&folder) {
        let beats = |point: &Value| {
            value(&other, "latency_ms") < value(point, "latency_ms") * (1.0 - 1e-9)
                && value(&other, "macs") >= value(point, "macs")
        };
        assert!(!front.iter().any(beats), "{other}");
    }
    let csv = String::from_utf8(folder.read("front.csv")).unwrap();
    assert!(csv.starts_with("latency_ms,params,macs,method,arch\n") && csv.lines().count() == front.len() + 1, "{csv}");
    assert!(csv.lines().skip(1).all(|line| line.contains(",exact,")));
    let svg = String::from_utf8(folder.read("front.svg")).unwrap();
    assert_eq!(svg.matches("class=\"mark").count(), front.len());
    folder.ok(&format!("{} --against params --least", line.replace("front.svg", "front.png")));
    assert!(folder.read("front.png").starts_with(b"\x89PNG"));
    // A front is a table that `rank` takes, by any column of numbers.
    folder.ok(&format!("{RANK} --accuracy-table front.csv --column macs"));
    // Another device's latency on the other axis.
    folder.ok("measure --device synthetic:caches --space small.toml -o b.parquet");
    let both = lines(&folder.ok("pareto --lut a.parquet --lut b.parquet --space small.toml --json"));
    assert!(both.iter().all(|line| line["other_latency_ms"].is_number()));
    assert!(both.is_sorted_by(|a, b| value(a, "other_latency_ms") > value(b, "other_latency_ms")));
    let table = folder.ok("pareto --lut a.parquet --lut b.parquet --space small.toml");
    assert!(table.contains("second LUT"), "{table}");
    for option in ["--against params", "--against macs", "--least"] {
        let line = format!("pareto --lut a.parquet --lut b.parquet --space small.toml {option}");
        folder.fails(&line, 2, &format!("{}: the other axis is the latency", option.split(' ').next().unwrap()));
    }
    folder.fails("pareto --space small.toml", 2, "--lut");
    folder.fails("pareto --lut a.parquet --space small.toml -o a.txt", 2, "a.txt");
    folder.fails("pareto --lut a.parquet --space small.toml -o no/front.csv", 2, "no/front.csv");
    let three = "pareto --lut a.parquet --lut a.parquet --lut a.parquet --space small.toml";
    folder.fails(three, 2, "two LUTs at most");
}

/// A large space whose layers know their places is not enumerated: what is listed is said to be sampled, and is the same
/// for the same seed.
#[test]
fn what_is_sampled_is_said() {
    let folder = crate::sample_lut::folder_with_lut();
    let line = "rank --lut lut.parquet --samples 2000 --json --top 3";
    let ran = folder.run(line);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("exact over the whole space")
            || ran.stderr.contains("not exact: the best of 2000 sampled networks (seed 0)"),
        "{}",
        ran.stderr
    );
    assert_eq!(folder.ok(line), ran.stdout);
    // The same LUT with places has nothing exact.
    folder.ok("lut export lut.parquet -o lut.json");
    let mut lut = json(&String::from_utf8(folder.read("lut.json")).unwrap());
    lut["context"]["calibration"]["reuse_bandwidth"] = 0.5.into();
    fs::write(folder.path("placed.json"), lut.to_string()).unwrap();
    let placed = line.replace("lut.parquet", "placed.json");
    let ran = folder.run(&placed);
    assert!(ran.stderr.contains("not exact: the best of 2000 sampled networks (seed 0)"), "{}", ran.stderr);
    assert_eq!(folder.ok(&placed), ran.stdout);
}
