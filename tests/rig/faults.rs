//! What dies, or is not there.

use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::board::{Board, MEASURE, board, undisturbed};
use crate::link::{AT_WORK, Listener, begin, finish, wired};
use crate::processes::wait_until;

#[test]
fn a_killed_agent_or_supervisor_is_replaced() {
    let Some((board, cable, folder)) = wired() else { return };
    let expected = undisturbed(MEASURE).read("a.parquet");
    for supervisor in [false, true] {
        cable.hold_after(AT_WORK);
        let child = begin(&folder, MEASURE);
        cable.wait_until_held();
        wait_until("it is there to be killed", || {
            let victims = board.agents().into_iter().filter(|process| process.supervises == supervisor);
            victims.map(|process| process.signal(Signal::SIGKILL)).count() > 0
        });
        cable.let_go();
        let ran = finish(child);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(ran.stderr.contains("retrying"), "{}", ran.stderr);
        if !supervisor {
            assert!(ran.stderr.contains("signal: 9"), "how it died is said: {}", ran.stderr);
        }
        assert_eq!(folder.read("a.parquet"), expected);
        wait_until("no process is left on the board", || board.agents().is_empty());
        for file in ["a.parquet", "a.journal.jsonl"] {
            fs::remove_file(folder.path(file)).unwrap();
        }
    }
}

#[test]
fn a_board_that_reboots_is_waited_for() {
    let Some((mut board, cable, folder)) = wired() else { return };
    cable.hold_after(AT_WORK);
    let child = begin(&folder, MEASURE);
    cable.wait_until_held();
    board.cut_power();
    cable.let_go();
    let mut host = Listener::to(child);
    host.wait_for("retrying");
    board.restart_sshd();
    let ran = host.finish();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("retrying"), "{}", ran.stderr);
    assert_eq!(folder.read("a.parquet"), undisturbed(MEASURE).read("a.parquet"));
}

#[test]
fn a_killed_host_leaves_nothing_behind_and_is_resumed() {
    let Some((board, cable, folder)) = wired() else { return };
    cable.hold_after(AT_WORK);
    let mut child = begin(&folder, MEASURE);
    cable.wait_until_held();
    assert!(!board.agents().is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
    cable.let_go();
    wait_until("no process is left on the board", || board.agents().is_empty());
    folder.ok(&format!("{MEASURE} --resume"));
    assert_eq!(folder.read("a.parquet"), undisturbed(MEASURE).read("a.parquet"));
}

#[test]
fn one_run_at_a_time_measures_a_board() {
    let Some((board, cable, folder)) = wired() else { return };
    cable.hold_after(AT_WORK);
    let first = begin(&folder, &format!("{MEASURE} --set silence_seconds=600"));
    cable.wait_until_held();
    let second = board.folder(board.port);
    let ran = second.fails(MEASURE, 5, "in use by");
    assert!(ran.stderr.contains(&format!("process {}", first.id())), "{}", ran.stderr);
    assert!(!second.path("a.journal.jsonl").exists());
    let checked = second.run("devices check board");
    assert!(checked.code == Some(5) && checked.stdout.contains("in use"), "{}", checked.stdout);
    // Control: a board that is not to be held may be measured by two.
    second.ok(&format!("{MEASURE} --set exclusive=false"));
    cable.let_go();
    let ran = finish(first);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(folder.read("a.parquet"), undisturbed(MEASURE).read("a.parquet"));
    second.ok("measure --device board --space small.toml -o b.parquet");
}

/// The files of a board whose clock has gone back are from the future.
#[test]
fn a_board_whose_clock_is_in_the_past_is_measured() {
    let Some(board) = board() else { return };
    let folder = board.folder(board.port);
    folder.ok("devices check board");
    for entry in fs::read_dir(board.work()).unwrap() {
        let touched = Command::new("touch").args(["-d", "2099-01-01"]).arg(entry.unwrap().path()).status().unwrap();
        assert!(touched.success());
    }
    assert!(folder.ok("devices check board").contains("(already there)"));
    folder.ok(MEASURE);
    assert_eq!(folder.read("a.parquet"), undisturbed(MEASURE).read("a.parquet"));
}

/// The board may see no room, or may only find out when the file grows.
#[test]
fn a_board_without_space_is_named_and_nothing_half_is_left() {
    let limited = "ForceCommand ulimit -f 1000; eval \"$SSH_ORIGINAL_COMMAND\"";
    let Some(board) = Board::with(limited, &[], "127.0.0.1") else { return };
    let folder = board.folder(board.port);
    let ran = folder.fails(MEASURE, 1, "upload the agent");
    assert!(ran.stderr.contains("work_folder"), "{}", ran.stderr);
    let left: Vec<_> = fs::read_dir(board.work()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(!folder.path("a.journal.jsonl").exists());

    let Some(board) = crate::board::board() else { return };
    fs::create_dir(board.work()).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "none"]).arg(board.work()).output();
    if !mount.is_ok_and(|output| output.status.success()) {
        nasprof_testkit::skip::skip("in part: a small file system cannot be mounted here (that needs root)");
        return;
    }
    let folder = board.folder(board.port);
    let ran = folder.run(MEASURE);
    let unmounted = Command::new("umount").arg(board.work()).status().unwrap();
    assert!(unmounted.success());
    assert!(ran.code == Some(1) && ran.stderr.contains("kB free"), "{}", ran.stderr);
    // Control: with room it is measured.
    folder.ok(MEASURE);
}

#[test]
fn a_work_folder_that_cannot_be_made_is_named() {
    let Some(board) = board() else { return };
    let folder = board.folder(board.port);
    fs::write(board.work(), "").unwrap();
    folder.fails(MEASURE, 1, "work folder");
    let checked = folder.run("devices check board").stdout;
    assert!(checked.contains("BAD") && checked.contains("fix:"), "{checked}");
}
