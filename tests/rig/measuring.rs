//! Measuring a board works, and gives what measuring here gives.

use std::fs;

use serde_json::Value;

use crate::board::{Board, MEASURE, board, device_file, undisturbed};
use crate::harness::Folder;
use crate::processes::wait_until;

#[test]
fn a_board_is_measured_estimated_and_validated_like_this_machine() {
    let Some(board) = board() else { return };
    let folder = board.folder(board.port);
    let measure = "measure --device board --space small.toml -o a.parquet";
    folder.ok(measure);
    let here = undisturbed(measure);
    assert_eq!(folder.read("a.parquet"), here.read("a.parquet"));
    assert_eq!(folder.read("a.journal.jsonl"), here.read("a.journal.jsonl"));
    let validate = "validate --device board --lut a.parquet --space small.toml -n 3 --json";
    assert_eq!(folder.ok(validate), here.ok(validate));
    // Control: another seed gives other bytes.
    let other = undisturbed(&format!("{measure} --seed 1"));
    assert_ne!(folder.read("a.parquet"), other.read("a.parquet"));
    assert!(board.agents().is_empty(), "{:?}", board.agents());
    assert!(!board.was_injected());
}

#[test]
fn the_agent_is_uploaded_once_and_again_if_it_is_damaged() {
    let Some(board) = board() else { return };
    let folder = board.folder(board.port);
    let check = || folder.ok("devices check board");
    assert!(check().contains("(uploaded)"));
    assert!(check().contains("(already there)"));
    let agent = fs::read_dir(board.work()).unwrap().map(|e| e.unwrap().path());
    let agent = agent.into_iter().find(|path| path.to_string_lossy().contains("agent-")).unwrap();
    // The same length: a board that lost its power has kept the size and not the bytes.
    let mut bytes = fs::read(&agent).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 100].fill(0);
    fs::write(&agent, &bytes).unwrap();
    assert!(check().contains("(uploaded)"));
    fs::write(&agent, &bytes[..middle]).unwrap();
    assert!(check().contains("(uploaded)"));
    assert!(check().contains("(already there)"));
}

#[test]
fn a_check_says_each_step() {
    let Some(board) = board() else { return };
    let folder = board.folder(board.port);
    let checked: Value = serde_json::from_str(&folder.ok("devices check board --json")).unwrap();
    let steps = checked["steps"].as_array().unwrap();
    for step in ["connect", "host key", "login", "architecture", "space", "agent", "board", "runtime"] {
        let found = steps.iter().find(|s| s["step"] == step).unwrap_or_else(|| panic!("no {step} in {checked}"));
        assert_eq!(found["verdict"], "ok", "{found}");
    }
    assert_eq!(steps.iter().find(|s| s["step"] == "temperature_celsius").unwrap()["verdict"], "not_observable");

    let ran = folder.run("devices check board --set port=1 --json");
    assert_eq!(ran.code, Some(5), "{}", ran.stderr);
    let checked: Value = serde_json::from_str(&ran.stdout).unwrap();
    let step = checked["steps"].as_array().unwrap().last().unwrap();
    assert_eq!((&step["step"], &step["verdict"]), (&"connect".into(), &"bad".into()));
    assert!(step["mend"].as_str().unwrap().contains("port"), "{step}");
}

#[test]
fn a_missing_back_end_an_agent_for_no_board_and_a_wrong_program_are_named() {
    let Some(board) = board() else { return };
    let folder = board.folder(board.port);
    folder.fails(&format!("{MEASURE} --set backend=torch"), 2, "no back end `torch`");
    folder.fails(&format!("{MEASURE} --set agent=/bin/absent"), 2, "/bin/absent");
    folder.fails(
        &format!("{MEASURE} --set agent={}", folder.path("small.toml").display()),
        2,
        "not a Linux program or library",
    );
    folder.fails(&format!("{MEASURE} --set agent_on_board=/absent/agent"), 1, "start the agent");
    folder.fails(&format!("{MEASURE} --set agent_on_board=/bin/true"), 1, "start the agent");
    assert!(!folder.path("a.journal.jsonl").exists(), "nothing is begun on a board that cannot be used");
    // Control: with none of that it is measured.
    folder.ok(MEASURE);
}

/// The agent that is on the board is used where the device file names it, and none is uploaded.
#[test]
fn an_agent_that_was_built_on_the_board_is_used() {
    let Some(board) = board() else { return };
    let folder = board.folder(board.port);
    let theirs = board.path("their agent; touch x");
    fs::copy(&folder.agent, &theirs).unwrap();
    fs::set_permissions(&theirs, fs::metadata(&folder.agent).unwrap().permissions()).unwrap();
    let text = fs::read_to_string(folder.path("nasprof/devices/board.toml")).unwrap();
    device_file(&folder, &format!("{text}agent_on_board = {theirs:?}\n"));
    folder.ok(MEASURE);
    assert_eq!(folder.read("a.parquet"), undisturbed(MEASURE).read("a.parquet"));
    assert!(fs::read_dir(board.work()).unwrap().all(|e| !e.unwrap().file_name().to_string_lossy().contains("agent-")));
    assert!(!board.was_injected());
}

#[test]
fn the_power_mode_is_a_fact_and_another_one_is_refused() {
    let Some(board) = board() else { return };
    fs::write(board.path("mode"), "Power Mode: MAXN\n0\n").unwrap();
    let command = format!("power_mode_command = {:?}", format!("cat {}", board.path("mode").display()));
    let folder = board.folder_at("127.0.0.1", board.port, &command);
    assert!(folder.ok("devices check board").contains("Power Mode: MAXN"));
    folder.ok(&format!("{MEASURE} --set power_mode=MAXN"));
    let lut: Value = serde_json::from_str(&folder.ok("lut show a.parquet --json")).unwrap();
    assert_eq!(lut["context"]["facts"]["power_mode"], "Power Mode: MAXN 0");
    folder.fails("devices check board --set power_mode=15W", 6, "");
    fs::write(board.path("mode"), "Power Mode: 15W\n2\n").unwrap();
    folder.fails("validate --device board --lut a.parquet --space small.toml -n 1", 6, "power_mode");
    folder.fails(&format!("{MEASURE} --resume --set power_mode_command=false"), 1, "power mode");
}

fn two_boards() -> Option<(Board, Board, Folder)> {
    let (first, second) = (board()?, board()?);
    let folder = first.folder(first.port);
    let devices = folder.path("nasprof/devices");
    let other = second.folder(second.port);
    fs::copy(other.path("nasprof/devices/board.toml"), devices.join("second.toml")).unwrap();
    let known = [folder.read("known"), other.read("known")].concat();
    fs::write(folder.path("known"), &known).unwrap();
    let text = fs::read_to_string(devices.join("second.toml")).unwrap();
    let known_path = |folder: &Folder| format!("{:?}", folder.path("known"));
    fs::write(devices.join("second.toml"), text.replace(&known_path(&other), &known_path(&folder))).unwrap();
    fs::write(devices.join("both.toml"), "format_version = 1\ndevices = [\"board\", \"second\"]\n").unwrap();
    Some((first, second, folder))
}

#[test]
fn several_boards_are_measured_at_once_into_luts_of_their_own() {
    let Some((first, second, folder)) = two_boards() else { return };
    let line = MEASURE.replace("--device board", "--device both").replace("a.parquet", "luts");
    let ran = folder.run(&format!("{line} --json"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|l| l["device"].as_str().unwrap()).collect::<Vec<_>>(), ["board", "second"]);
    assert!(ran.stderr.contains("board: ") && ran.stderr.contains("second: "), "{}", ran.stderr);
    assert_eq!(folder.read("luts/small-board.parquet"), undisturbed(MEASURE).read("a.parquet"));
    assert!(folder.path("luts/small-second.parquet").exists());

    // One that fails does not keep the other from its LUT, and is named.
    drop(second);
    let line = "measure --device board,second --space small.toml -o more";
    folder.fails(line, 5, "second");
    let devices = folder.path("nasprof/devices");
    fs::write(devices.join("second.toml"), fs::read(devices.join("board.toml")).unwrap()).unwrap();
    folder.fails(line, 5, "in use");
    wait_until("the board is free", || first.agents().is_empty());
}
