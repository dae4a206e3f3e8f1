//! Searches that need no training: from a LUT to a network within its budget.

use std::fs;

use serde_json::Value;

use crate::harness::Folder;

const EXPERIMENT: &str = "format_version = 1\nspace = \"small.toml\"\nseed = 2\n\
    [[regularizers]]\nkind = \"reject\"\nquantity = \"latency\"\nupper = 1e6\nlut = \"a.parquet\"\n\
    [searcher]\nkind = \"evolution\"\nscore = \"macs\"\nevolution = { population = 20, generations = 5 }\n";

fn measured() -> Folder {
    let folder = Folder::new();
    folder.ok("measure --device synthetic:quiet --space small.toml -o a.parquet");
    fs::write(folder.path("search.toml"), EXPERIMENT).unwrap();
    folder
}

#[test]
fn evolution_finds_a_network_within_the_latency() {
    let folder = measured();
    let json = |line: &str| serde_json::from_str::<Value>(&folder.ok(line)).unwrap();
    let free = json("search search.toml -o free --json");
    let latency = |found: &Value| found["quantities"][0]["estimated"].as_f64().unwrap();
    let upper = latency(&free) * 0.8;
    let tight = json(&format!("search search.toml -o tight --set regularizers.0.upper={upper} --json"));
    assert!(latency(&tight) <= upper && tight["value"].as_f64() < free["value"].as_f64());
    // The estimate is that of the command for one architecture.
    let estimated = json("estimate --lut a.parquet --space small.toml --arch tight/arch.json --json");
    let (estimated, found) = (estimated["latency_ms"].as_f64().unwrap(), latency(&tight));
    assert!((estimated / found - 1.0).abs() < 1e-9, "{estimated} {found}");
    let pareto = String::from_utf8(folder.read("tight/pareto.csv")).unwrap();
    assert!(pareto.starts_with("latency,score_macs,arch\n"), "{pareto}");
    assert!(folder.ok("search search.toml").contains("pareto.csv"));
    assert!(folder.path("runs/search/result.json").is_file());
}

#[test]
fn what_is_wrong_with_a_search_is_said_before_anything_is_written() {
    let folder = measured();
    let least = folder.fails("search search.toml -o run --set regularizers.0.upper=1e-9", 2, "regularizers.0.upper");
    assert!(least.stderr.contains("the cheapest network has"), "{}", least.stderr);
    for (set, naming) in [
        ("searcher.scor=macs", "did you mean `score`"),
        ("space=mobilenet-cifar10", "regularizers.0.lut"),
        ("regularizers.0.lut=none.parquet", "none.parquet"),
        ("device=local", "key `device`"),
    ] {
        folder.fails(&format!("search search.toml -o run --set {set}"), 2, naming);
    }
    folder.fails("train search.toml -o run", 2, "no table `trainer`");
    assert!(!folder.path("run").exists());
    folder.ok("search search.toml -o run");
    let before = folder.read("run/result.json");
    folder.fails("search search.toml -o run", 2, "holds a run already");
    folder.fails("search search.toml -o run --resume --set seed=3", 2, "another experiment");
    assert_eq!(folder.read("run/result.json"), before);
}
