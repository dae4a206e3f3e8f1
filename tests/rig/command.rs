//! A board that runs a command in an agent's place: the model goes there, its files come back, and nothing stays.

use std::fs;

use serde_json::Value;

use crate::board::{Board, board};
use crate::cable::Cable;
use crate::harness::Folder;
use crate::link::{Listener, begin};
use crate::processes::wait_until;

/// Tells the model's size as its latency, after `sleep` seconds. It says where it is at work, and that it was not ended.
fn folder(board: &Board, port: u16, sleep: u32) -> Folder {
    let folder = Folder::new();
    fs::write(folder.path("known"), board.known("127.0.0.1", port)).unwrap();
    fs::write(folder.path("net.bin"), "x".repeat(300_000)).unwrap();
    let program = format!(
        "echo begun >> {0}; sleep {sleep}; echo ended >> {0}; echo \"latency $(($(wc -c < \"$1\"))) us\"",
        board.path("log").display()
    );
    let text = format!(
        "format_version = 1\ntransport = \"ssh\"\nbackend = \"command\"\nthreads = 1\nhost = \"127.0.0.1\"\nport = {port}\n\
         identity_file = {:?}\nknown_hosts = {:?}\nwork_folder = {:?}\nsilence_seconds = 5\nreconnect_seconds = 60\n\
         [command]\nrun = ['sh', '-c', '''{program}''', 'sh', '{{model}}', '; touch x', '$(touch x)']\n\
         times_format = 'latency (\\d+) us'\ntimes_unit = \"us\"\n",
        board.path("user"),
        folder.path("known"),
        board.work(),
    );
    fs::create_dir_all(folder.path("nasprof/devices")).unwrap();
    fs::write(folder.path("nasprof/devices/board.toml"), text).unwrap();
    folder
}

const TIME: &str = "time --device board --model net.bin --json";

/// No file is on the board beside the lock.
fn nothing_is_left(board: &Board) {
    wait_until("nothing is left on the board", || {
        let files = fs::read_dir(board.work()).unwrap().filter(|file| file.as_ref().unwrap().file_name() != "lock");
        files.count() == 0
    });
    assert!(!board.was_injected());
}

fn mean(stdout: &str) -> f64 {
    serde_json::from_str::<Value>(stdout).unwrap()["networks"][0]["mean_ms"].as_f64().unwrap()
}

#[test]
fn a_model_is_copied_up_measured_and_removed() {
    let Some(board) = board() else { return };
    let folder = folder(&board, board.port, 0);
    let checked = folder.ok("devices check board");
    assert!(checked.contains("command              ok"), "{checked}");
    assert!((mean(&folder.ok(TIME)) - 300.0).abs() < 1e-9);
    nothing_is_left(&board);
    // One measurement at a time.
    let held = fs::File::open(board.work().join("lock")).unwrap();
    held.lock().unwrap();
    folder.fails(&format!("{TIME} --set reconnect_seconds=0"), 5, "in use by");
    drop(held);
    folder.ok(TIME);
}

/// The control is the run above, without a cut.
#[test]
fn a_board_that_is_lost_while_the_command_runs_is_reached_again() {
    let Some(board) = board() else { return };
    let cable = Cable::to(board.port);
    let folder = folder(&board, cable.port, 4);
    let log = || fs::read_to_string(board.path("log")).unwrap_or_default();
    let mut host = Listener::to(begin(&folder, TIME));
    host.wait_until("the command runs", || log().contains("begun"));
    cable.cut();
    host.wait_for("retrying");
    // What ran there has been ended, with its files.
    nothing_is_left(&board);
    assert!(!log().contains("ended"), "{}", log());
    cable.mend();
    let ran = host.finish();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!((mean(&ran.stdout) - 300.0).abs() < 1e-9);
    assert_eq!(log(), "begun\nbegun\nended\n");

    // A board that stays away is an error, and no time.
    let mut host = Listener::to(begin(&folder, &format!("{TIME} --set reconnect_seconds=1")));
    host.wait_until("the command runs again", || log().matches("begun").count() == 3);
    cable.cut();
    let ran = host.finish();
    assert!(ran.code == Some(5) && ran.stdout.is_empty(), "{}{}", ran.stdout, ran.stderr);
    cable.mend();
    nothing_is_left(&board);
}
