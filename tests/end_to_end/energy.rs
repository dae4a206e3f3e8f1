//! `measure --energy`, from the meter to the LUT's columns, on simulated meters.

use nasprof_graph::arch::ArchFile;
use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Arch, LayerKey};
use nasprof_profiler::synthetic::{layer_truth_microjoules, network_truth_microjoules};
use nasprof_spaces::{Space, SpaceSpec};
use serde_json::Value;

use crate::harness::{Folder, SPACE};

fn measure(folder: &Folder, device: &str, more: &str) {
    folder.ok(&format!("measure --device synthetic:{device} --space small.toml -o {device}.parquet {more}"));
    folder.ok(&format!("lut export {device}.parquet -o {device}.json"));
}

fn lut(folder: &Folder, device: &str) -> Value {
    serde_json::from_slice(&folder.read(&format!("{device}.json"))).unwrap()
}

fn space() -> Space {
    SpaceSpec::parse(SPACE).unwrap().build("small").unwrap()
}

/// The true energy of a key: that of the first layer with it among the anchors' networks.
fn truth(space: &Space, archs: &[Arch], key: &str) -> Option<f64> {
    archs.iter().find_map(|arch| {
        let graph = Runtime::TorchEager.subnet(&space.graph, arch).unwrap();
        let layer = graph.layers().find(|(_, node)| LayerKey::of(&graph, node).as_str() == key);
        layer.map(|(_, node)| layer_truth_microjoules(&graph, node) / 1e3)
    })
}

#[test]
fn energy_is_near_the_truth_and_says_how_it_was_got() {
    let folder = Folder::new();
    measure(&folder, "quiet", "--energy");
    let (lut, space) = (lut(&folder, "quiet"), space());
    let anchors = lut["context"]["anchors"].as_array().unwrap();
    let archs: Vec<Arch> = anchors.iter().map(|a| serde_json::from_value(a["arch"].clone()).unwrap()).collect();
    for (anchor, arch) in anchors.iter().zip(&archs) {
        let graph = Runtime::TorchEager.subnet(&space.graph, arch).unwrap();
        let ratio = anchor["energy"]["energy_mj"].as_f64().unwrap() / (network_truth_microjoules(&graph) / 1e3);
        assert!((ratio - 1.0).abs() < 0.02, "{ratio}");
        // Millijoules in milliseconds are watts.
        let sessions = anchor["sessions_ns"].as_array().unwrap();
        let ms = sessions.iter().map(|ns| ns.as_f64().unwrap()).sum::<f64>() / sessions.len() as f64 / 1e6;
        let watts = anchor["energy"]["energy_mj"].as_f64().unwrap() / ms;
        let ratio = anchor["power_w"].as_f64().unwrap() / watts;
        assert!((ratio - 1.0).abs() < 0.05, "{ratio}");
    }
    let shown = folder.ok("lut show quiet.parquet");
    assert!(shown.contains(" W while they run"), "{shown}");
    let mut compared = 0;
    for row in lut["rows"].as_array().unwrap() {
        let energy = &row["energy"];
        let number = |name: &str| energy[name].as_f64().unwrap();
        let mj = number("energy_mj");
        assert!(number("energy_low_mj") <= mj && mj <= number("energy_high_mj"));
        assert!(number("energy_resolution_mj") > 0.0 && number("energy_resolution_mj") < 0.1 * mj);
        assert!(number("energy_idle_mj") > 0.0 && number("energy_idle_mj") < mj);
        assert_eq!(energy["energy_method"], "simulated counter");
        if let Some(truth) = truth(&space, &archs, row["key"].as_str().unwrap()) {
            // Alone, a layer also has the overhead of a run, at idle power.
            assert!((mj / truth - 1.0).abs() < 0.25, "{}: {mj} of {truth}", row["key"]);
            compared += 1;
        }
    }
    assert!(compared > 5);
}

#[test]
fn energy_survives_every_format_and_an_interruption() {
    let folder = Folder::new();
    measure(&folder, "quiet", "--energy");
    for ending in ["csv", "json"] {
        folder.ok(&format!("lut export quiet.parquet -o x.{ending}"));
        folder.ok(&format!("lut export x.{ending} -o back.parquet"));
        assert_eq!(folder.read("quiet.parquet"), folder.read("back.parquet"), "{ending}");
    }
    let journal = folder.read("quiet.journal.jsonl");
    let text = String::from_utf8(journal.clone()).unwrap();
    let passes: Vec<usize> = text.match_indices("\"event\":\"energy\"").map(|(at, _)| at).collect();
    let other = Folder::new();
    std::fs::write(other.path("quiet.journal.jsonl"), &journal[..passes[passes.len() / 2]]).unwrap();
    measure(&other, "quiet", "--energy --resume");
    assert_eq!(folder.read("quiet.parquet"), other.read("quiet.parquet"));
}

/// Networks that were never measured, against the meter's own truth.
#[test]
fn a_networks_energy_is_estimated_from_its_layers_and_scaled_by_whole_networks() {
    let folder = Folder::new();
    measure(&folder, "quiet", "--energy");
    let space = space();
    let sampled = folder.ok("space sample small.toml -n 8 --seed 3");
    let estimates = |lut: &str| -> Vec<Value> {
        let lines = sampled.lines().map(|line| {
            std::fs::write(folder.path("arch.json"), line).unwrap();
            folder.ok(&format!("estimate --lut {lut} --space small.toml --arch arch.json --json --explain"))
        });
        lines.map(|line| serde_json::from_str(&line).unwrap()).collect()
    };
    let all = estimates("quiet.parquet");
    for (estimate, line) in all.iter().zip(sampled.lines()) {
        let file: ArchFile = serde_json::from_str(line).unwrap();
        let arch = file.resolve(&space.name, &space.choices).unwrap();
        let truth = network_truth_microjoules(&Runtime::TorchEager.subnet(&space.graph, &arch).unwrap()) / 1e3;
        let energy = &estimate["energy"];
        let number = |name: &str| energy[name].as_f64().unwrap();
        assert!((number("energy_mj") / truth - 1.0).abs() < 0.03, "{energy} of {truth}");
        let [low, high] = [0, 1].map(|i| energy["interval_mj"][i].as_f64().unwrap());
        assert!(low < truth && truth < high, "{energy} of {truth}");
        // Control: the plain sum has the overhead of a run for every layer, and is further off.
        assert!(
            (number("sum_mj") / truth).ln().abs() > (number("energy_mj") / truth).ln().abs(),
            "{energy} of {truth}"
        );
        assert_eq!(energy["method"], "simulated counter");
        assert!(number("resolution_mj") > 0.0);
    }
    folder.ok("estimate --lut quiet.parquet --space small.toml --arch arch.json");
    assert!(folder.ok("lut show quiet.parquet").contains("energy of"));

    // One layer without energy: no number for the networks that have it, and the others keep theirs.
    let mut lut = lut(&folder, "quiet");
    let key = all[0]["nodes"][1]["key"].clone();
    let row = lut["rows"].as_array_mut().unwrap().iter_mut().find(|row| row["key"] == key).unwrap();
    row["energy"] = Value::Null;
    std::fs::write(folder.path("gap.json"), serde_json::to_vec(&lut).unwrap()).unwrap();
    for (with, without) in all.iter().zip(estimates("gap.json")) {
        let has = with["nodes"].as_array().unwrap().iter().any(|node| node["key"] == key);
        assert_eq!(without.get("energy").is_none(), has, "{without}");
        assert_eq!(without["latency_ms"], with["latency_ms"]);
    }
    // From another meter: both are told, and no network adds the two up.
    let row = lut["rows"].as_array_mut().unwrap().iter_mut().find(|row| !row["energy"].is_null()).unwrap();
    row["energy"]["energy_method"] = "another meter".into();
    std::fs::write(folder.path("two.json"), serde_json::to_vec(&lut).unwrap()).unwrap();
    let shown = folder.ok("lut show two.json");
    assert!(shown.contains("another meter 1, simulated counter"), "{shown}");
    assert!(!folder.ok("lut show gap.json").contains("have no estimate"));
    assert!(estimates("gap.json")[0].get("energy").is_none());
}

/// A device that has no energy meter, and one that was not asked: no number, least of all a zero.
#[test]
fn what_does_not_show_is_absent() {
    let folder = Folder::new();
    let ran = folder.run("measure --device synthetic:no-meter --space small.toml -o no-meter.parquet --energy");
    assert_eq!(ran.code, Some(0));
    assert!(ran.stderr.contains("has no energy meter"), "{}", ran.stderr);
    folder.ok("lut export no-meter.parquet -o no-meter.json");
    measure(&folder, "quiet", "");
    for device in ["no-meter", "quiet"] {
        let lut = lut(&folder, device);
        assert!(lut["rows"].as_array().unwrap().iter().all(|row| row["energy"].is_null() && !row["times"].is_null()));
        assert!(lut["context"]["anchors"].as_array().unwrap().iter().all(|anchor| anchor["energy"].is_null()));
    }
    folder.ok("lut export no-meter.parquet -o no-meter.csv");
    let csv = String::from_utf8(folder.read("no-meter.csv")).unwrap();
    assert!(csv.lines().skip(2).all(|line| line.rsplit(',').skip(2).take(6).all(str::is_empty)));

    // Files from before launches, from before stored memory, and from before energy, are read too; ones with half of the columns are not.
    let without = |columns: usize| -> String {
        let cut = |line: &str| line.rsplitn(columns + 1, ',').last().unwrap().to_owned();
        let (head, table) = csv.split_once('\n').unwrap();
        let lines: Vec<String> = table.lines().map(cut).collect();
        format!("{head}\n{}\n", lines.join("\n"))
    };
    let [_, old, older] = [1, 2, 8].map(|columns| {
        std::fs::write(folder.path("old.csv"), without(columns)).unwrap();
        folder.ok("lut export old.csv -o old.parquet");
        folder.read("old.parquet")
    });
    assert_eq!(old, older);
    std::fs::write(folder.path("half.csv"), without(5)).unwrap();
    folder.fails("lut show half.csv", 2, "columns");
}
