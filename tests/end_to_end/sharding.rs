//! `measure --shard`: boards that agree make one LUT, and others say why not.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::harness::Folder;

const SHARD: &str = "measure --device board-a,board-b --shard --space small.toml -o one.parquet";

/// Two boards, the second with another agent where one is given.
fn boards(agent_of_b: Option<&str>) -> Folder {
    let folder = Folder::new();
    let devices = folder.path("nasprof/devices");
    fs::create_dir_all(&devices).unwrap();
    let board = "format_version = 1\ntransport = \"local\"\nbackend = \"synthetic:quiet\"\nthreads = 1\n";
    fs::write(devices.join("board-a.toml"), board).unwrap();
    let agent = agent_of_b.map_or_else(String::new, |script| {
        let path = folder.path("agent-b");
        fs::write(&path, format!("#!/bin/sh\nagent='{}'\n{script}\n", folder.agent.display())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        format!("agent = {:?}\n", path.display().to_string())
    });
    fs::write(devices.join("board-b.toml"), format!("{board}{agent}")).unwrap();
    let group = "format_version = 1\ndevices = [\"board-b\", \"board-a\"]\n";
    fs::write(devices.join("both.toml"), group).unwrap();
    folder
}

/// A board a tenth slower that says it is the same.
const SLOWER: &str = "sed -u 's/synthetic:quiet\"/synthetic:quiet-slower\"/' | \"$agent\" \"$@\" | \
    sed -u 's/synthetic:quiet-slower/synthetic:quiet/g'";

#[test]
fn two_boards_alike_make_one_lut_that_is_used_as_any_other() {
    let folder = boards(None);
    let report: Value = serde_json::from_str(&folder.ok(&format!("{SHARD} --json"))).unwrap();
    folder.ok("measure --device board-a --space small.toml -o whole.parquet");
    let rows = |name: &str| -> Vec<Value> {
        let lut: Value = serde_json::from_str(&folder.ok(&format!("lut show {name} --json"))).unwrap();
        lut["rows"].as_array().unwrap().clone()
    };
    let keys = |name: &str| rows(name).iter().map(|row| row["key"].to_string()).collect::<Vec<_>>();
    assert_eq!(keys("one.parquet"), keys("whole.parquet"));
    assert!(rows("one.parquet").iter().all(|row| row["times"].is_object()));
    assert_eq!(report["devices"], serde_json::json!(["board-a", "board-b"]));
    assert!(report["cross_check"]["layers"].as_u64().unwrap() > 3, "{report}");
    assert_eq!(report["parts"].as_array().unwrap().len(), 2);
    // From the journals come the same bytes, whatever their order.
    folder.ok("lut rebuild one-board-b.journal.jsonl one-board-a.journal.jsonl -o again.parquet");
    assert_eq!(folder.read("again.parquet"), folder.read("one.parquet"));
    folder.fails("lut rebuild one-board-a.journal.jsonl whole.journal.jsonl -o x.parquet", 2, "is not a shard");
    folder.ok("lut check one.parquet");
    assert!(folder.ok("lut show one.parquet").contains("board-a and board-b"));
    assert!(folder.ok("lut show one-board-a.parquet").contains("shard 1 of 2"));
    for device in ["board-a", "board-b"] {
        folder.ok(&format!("validate --device {device} --lut one.parquet --space small.toml -n 3"));
    }
    folder.fails("validate --device synthetic:quiet --lut one.parquet --space small.toml -n 3", 6, "device");
    // As a group, resumed: nothing is left to do, and the bytes are the same.
    let before = folder.read("one.parquet");
    folder.fails("measure --device both --shard --space small.toml -o one.parquet", 2, "exists");
    folder.ok("measure --device both --shard --space small.toml -o one.parquet --resume");
    assert_eq!(folder.read("one.parquet"), before);
}

#[test]
fn a_board_that_differs_is_named_and_no_lut_is_made() {
    let folder = boards(Some(SLOWER));
    let ran = folder.fails(&format!("{SHARD} --json"), 6, "longer on `board-b` than on `board-a`");
    assert!(ran.stderr.contains("hint:") && ran.stderr.contains("without --shard"), "{}", ran.stderr);
    assert!(!folder.path("one.parquet").exists());
    folder.ok("lut show one-board-a.parquet");
    folder.ok("lut show one-board-b.parquet");
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(
        report["lut"].is_null() && (report["cross_check"]["level"]["difference"].as_f64().unwrap() - 0.1).abs() < 0.02
    );
    folder.fails("lut rebuild one-board-a.journal.jsonl one-board-b.journal.jsonl -o x.parquet", 6, "board-b");
    assert!(!folder.path("x.parquet").exists());
}

#[test]
fn a_board_that_is_lost_is_gone_on_with() {
    let whole = boards(None);
    whole.ok(SHARD);
    // The second board's agent ends after so many answers, until it is mended.
    // Line by line: `head` would keep answers back that the host waits for.
    let ends = "for i in $(seq 200); do IFS= read -r line; printf '%s\\n' \"$line\"; done; kill $$";
    let script = format!("[ -e mended ] && exec \"$agent\" \"$@\"; \"$agent\" \"$@\" | {{ {ends}; }}");
    let folder = boards(Some(&script));
    folder.fails(SHARD, 5, "board-b");
    assert!(!folder.path("one.parquet").exists());
    fs::write(folder.path("mended"), "").unwrap();
    folder.ok(&format!("{SHARD} --resume"));
    assert_eq!(folder.read("one.parquet"), whole.read("one.parquet"));
}

#[test]
fn what_cannot_be_shared_is_refused_before_anything_is_measured() {
    let folder = boards(None);
    folder.fails("measure --device board-a --shard --space small.toml", 2, "is only one device");
    folder.fails(&format!("{SHARD} --sessions 1"), 2, "--sessions 1");
    folder.fails("measure --device board-a,board-b --shard --space small.toml -o one", 2, "no extension");
    folder.fails("measure --device board-a,synthetic:noisy --shard --space small.toml -o one.parquet", 6, "backend");
    let left = fs::read_dir(folder.path(""))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("one"));
    assert_eq!(left.count(), 0);
}
