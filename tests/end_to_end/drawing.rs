//! Searches that need no training: from a LUT to a network within its budget.

use std::fs;
use std::os::unix::fs::PermissionsExt;

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

/// The level of this device differs by 5 % from session to session, so what the LUT promises may be too slow when it is
/// measured: the winner is selected for the level of now.
#[test]
fn a_drawn_winner_keeps_to_the_limit_as_measured() {
    let folder = Folder::new();
    fs::write(folder.path("search.toml"), EXPERIMENT).unwrap();
    let (mut other_level, mut missed) = (0, 0);
    for seed in 0..6 {
        folder.ok(&format!("measure --device synthetic:sessions --space small.toml --seed {seed} -o a{seed}.parquet"));
        let lut = format!("--set regularizers.0.lut=a{seed}.parquet --json");
        let free: Value = serde_json::from_str(&folder.ok(&format!("search search.toml -o free{seed} {lut}"))).unwrap();
        let upper = free["quantities"][0]["estimated"].as_f64().unwrap() * 0.8;
        let sets =
            format!("--set device=synthetic:sessions --set seed={seed} --set regularizers.0.upper={upper} {lut}");
        let found: Value =
            serde_json::from_str(&folder.ok(&format!("search search.toml -o run{seed} {sets}"))).unwrap();
        let selections = found["selections"].as_array().unwrap();
        assert_eq!(found["within_limit"], true, "{found}");
        assert!(found["measured"]["latency_ms"].as_f64().unwrap() <= upper, "{found}");
        // Control: what is selected by the LUT alone would not keep to it at the level that the device has then.
        let alone = format!("search search.toml -o alone{seed} --set regularizers.0.upper={upper} {lut}");
        let alone: Value = serde_json::from_str(&folder.ok(&alone)).unwrap();
        let level = selections[0]["factor"].as_f64().unwrap();
        other_level += usize::from(level != 1.0);
        missed += usize::from(alone["quantities"][0]["estimated"].as_f64().unwrap() * level > upper);
        let kept = folder.read(&format!("run{seed}/result.json"));
        folder.ok(&format!("search search.toml -o run{seed} --resume {sets}"));
        assert_eq!(folder.read(&format!("run{seed}/result.json")), kept);
    }
    assert!(other_level > 0 && missed > 0, "{other_level} {missed}");
}

/// A finished search is shown again, but not when its LUT has become another one under the same name.
#[test]
fn a_lut_measured_anew_is_noticed() {
    let folder = measured();
    let search = "search search.toml -o run --set device=synthetic:quiet --json";
    let first = folder.ok(search);
    let again = format!("{search} --resume");
    assert_eq!(folder.ok(&again), first);
    folder.ok("measure --device synthetic:quiet --space small.toml --seed 5 -o other.parquet");
    fs::rename(folder.path("other.parquet"), folder.path("a.parquet")).unwrap();
    let estimated = |text: &str| serde_json::from_str::<Value>(text).unwrap()["quantities"][0]["estimated"].clone();
    folder.fails(&again, 2, "a.parquet has changed since this run began");
    let anew = folder.ok(&format!("{search} --overwrite"));
    assert_ne!(estimated(&anew), estimated(&first));
    assert_eq!(folder.ok(&again), anew);
}

/// The winner is measured on a device that has become a tenth slower since its LUT was measured.
#[test]
fn a_device_that_is_not_as_it_was_is_told() {
    let folder = measured();
    // As if its sessions had vouched for a level that keeps still.
    folder.ok("lut export a.parquet -o steady.json");
    let mut lut: Value = serde_json::from_slice(&folder.read("steady.json")).unwrap();
    lut["context"]["calibration"]["level_half_width"] = 0.05.into();
    fs::write(folder.path("steady.json"), lut.to_string()).unwrap();
    let search = |run: &str, folder: &Folder| {
        let sets = "--set device=synthetic:quiet --set regularizers.0.lut=steady.json";
        folder.command(&format!("search search.toml -o {run} {sets}")).output().unwrap()
    };
    let words = |output: std::process::Output| String::from_utf8(output.stderr).unwrap();
    // Control: as it was, nothing is told.
    let same = words(search("same", &folder));
    assert!(!same.contains("level is"), "{same}");
    let agent = folder.path("slower-agent");
    let slower = format!(
        "#!/bin/sh\nsed -u 's/synthetic:quiet\"/synthetic:quiet-slower\"/' | {:?} \"$@\" | sed -u 's/synthetic:quiet-slower/synthetic:quiet/g'\n",
        folder.agent
    );
    fs::write(&agent, slower).unwrap();
    fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).unwrap();
    let folder = folder.with_agent(agent);
    let slower = words(search("slower", &folder));
    let level: f64 = slower.split_once("level is ").unwrap().1.split(' ').next().unwrap().parse().unwrap();
    assert!((level - 1.1).abs() < 0.02 && slower.contains("hint:"), "{slower}");
    // One level for the warning; the winner was measured in five processes.
    assert!(slower.contains("process 5/5: "), "{slower}");
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
    let ran = folder.run("search search.toml -o run");
    // What every network meets is told, and for people: in few digits.
    let slowest = ran.stderr.split_once("every network meets a latency of 1000000 ms: the most expensive network has ");
    let slowest = slowest.unwrap_or_else(|| panic!("{}", ran.stderr)).1.split(' ').next().unwrap();
    assert!(slowest.parse::<f64>().is_ok() && slowest.bytes().filter(u8::is_ascii_digit).count() <= 5, "{slowest}");
    let before = folder.read("run/result.json");
    let exists = folder.fails("search search.toml -o run", 2, "already holds a finished run of this experiment");
    assert!(exists.stderr.contains("--resume shows its result, --overwrite starts again"), "{}", exists.stderr);
    for resume in ["", " --resume"] {
        let other = format!("search search.toml -o run{resume} --set seed=3");
        folder.fails(&other, 2, "another experiment: `seed` is 2 there and 3 here");
    }
    folder.fails("search search.toml -o run --overwrite --resume", 2, "--overwrite");
    assert_eq!(folder.read("run/result.json"), before);
    // A search that finds nothing replaces nothing; one that does leaves alone what is not its own.
    fs::write(folder.path("run/notes.txt"), "mine").unwrap();
    folder.fails("search search.toml -o run --overwrite --set regularizers.0.upper=1e-9", 2, "regularizers.0.upper");
    assert_eq!(folder.read("run/result.json"), before);
    folder.ok("search search.toml -o run --overwrite --set seed=3");
    assert_ne!(folder.read("run/result.json"), before);
    assert_eq!(folder.read("run/notes.txt"), b"mine");
    // A report shows only what the run wrote.
    folder.ok("report run -o run.html");
    let result = String::from_utf8(folder.read("run/result.json")).unwrap();
    fs::write(folder.path("run/result.json"), result.replacen("\"seed\": 3", "\"seed\": 2", 1)).unwrap();
    let altered = folder.fails("report run -o run.html", 2, "result.json: was altered or damaged");
    assert!(altered.stderr.contains("hint: restore the file; `sha256sum --check"), "{}", altered.stderr);
}
