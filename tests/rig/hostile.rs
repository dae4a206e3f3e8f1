//! Boards that lie: whatever the program there says, the host ends with an error and without a LUT.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::board::{MEASURE, board, device_file, undisturbed};

/// Steps of programs that play a board. A supervisor that has the board, and was told to start an agent …
const READY: &str = r#"echo '{"supervisor":"ready","protocol":PROTOCOL,"version":"VERSION","cores":2}'; read order"#;
/// … which greets, and was asked for something …
const HELLO: &str =
    r#"echo '{"reply":"hello","protocol":PROTOCOL,"version":"VERSION","backends":["synthetic"]}'; read request"#;
/// … or was ended, and is started again: the host looks whether it can be used before it begins.
const ENDED: &str = r#"echo '{"supervisor":"ended","status":"exit status: 0","words":""}'; read order"#;
const CONFIGURED: &str =
    r#"echo '{"id":1,"reply":"configured","facts":{},"virtual_time":true,"timer_overhead_ns":0}'; read request"#;

/// What each does after the steps before, and its name.
const DIALOGUES: [(&str, &[&str]); 20] = [
    ("nothing", &[]),
    ("an old supervisor", &[r#"echo '{"supervisor":"ready","protocol":0,"version":"0.0.1","cores":2}'"#]),
    ("an old agent", &[READY, r#"echo '{"reply":"hello","protocol":0,"version":"0.0.1","backends":[]}'"#]),
    ("noise without end", &["yes"]),
    ("a line without end, at once", &["tr '\\0' x < /dev/zero"]),
    ("a line without end, later", &[READY, HELLO, ENDED, HELLO, "tr '\\0' x < /dev/zero"]),
    ("lines without end", &[READY, HELLO, ENDED, HELLO, CONFIGURED, "yes"]),
    ("bytes that are no text", &[READY, "printf '\\377\\376\\n'"]),
    ("garbage", &[READY, HELLO, ENDED, HELLO, "echo '}{'"]),
    ("nested garbage", &[READY, HELLO, ENDED, HELLO, "head -c 1000000 /dev/zero | tr '\\0' '['; echo"]),
    ("an answer to another question", &[READY, HELLO, ENDED, HELLO, r#"echo '{"id":1,"reply":"bye"}'; cat"#]),
    ("its own end in the middle", &[READY, HELLO, ENDED, HELLO, CONFIGURED, "exit 0"]),
    (
        "a supervisor's word in the middle",
        &[READY, HELLO, ENDED, HELLO, r#"echo '{"supervisor":"in_use","owner":"x","seconds":1}'"#],
    ),
    ("a supervisor's garbage", &[READY, HELLO, r#"echo '{"supervisor":7}'"#]),
    (
        "a holder with a name for a terminal",
        &[r#"printf '{"supervisor":"in_use","owner":"\\u001b[2Jme","seconds":null}\n'"#],
    ),
    (
        "a memory of another type",
        &[READY, HELLO, ENDED, HELLO, CONFIGURED, r#"echo '{"id":2,"reply":"memory","first_ns":-1}'"#],
    ),
    (
        "a memory that no machine has",
        &[
            READY,
            HELLO,
            ENDED,
            HELLO,
            CONFIGURED,
            r#"echo '{"id":2,"reply":"memory","first_ns":9223372036854775807,"peak_bytes":null,"method":"","resolution_bytes":1}'"#,
        ],
    ),
    (
        "an answer to an earlier question",
        &[
            READY,
            HELLO,
            ENDED,
            HELLO,
            CONFIGURED,
            r#"echo '{"id":1,"reply":"memory","first_ns":1,"peak_bytes":null,"method":"","resolution_bytes":1}'"#,
        ],
    ),
    (
        "more processors than there are",
        &[r#"echo '{"supervisor":"ready","protocol":PROTOCOL,"version":"VERSION","cores":9007199254740993}'"#],
    ),
    ("errors without end", &["yes >&2"]),
];

/// A shell script that says one line after the other.
fn write_program(path: &Path, steps: &[&str]) {
    fs::write(path, with_version(&format!("#!/bin/sh\n{}\n", steps.join("\n")))).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn with_version(text: &str) -> String {
    let protocol = nasprof_profiler::protocol::PROTOCOL_VERSION.to_string();
    text.replace("PROTOCOL", &protocol).replace("VERSION", env!("CARGO_PKG_VERSION"))
}

#[test]
fn what_a_hostile_agent_says_ends_in_an_error() {
    let Some(board) = board() else { return };
    // Several at a time: most of it is waiting.
    std::thread::scope(|scope| {
        for (part, dialogues) in DIALOGUES.chunks(5).enumerate() {
            let program = board.path(&format!("agent {part}"));
            let folder = board.folder_at("127.0.0.1", board.port, &format!("agent_on_board = {program:?}"));
            scope.spawn(move || {
                for (what, steps) in dialogues {
                    write_program(&program, steps);
                    let ran = folder.run(&format!("{MEASURE} --resume --set reconnect_seconds=0"));
                    assert!(matches!(ran.code, Some(1 | 2 | 5 | 7)), "{what}: {:?} {}", ran.code, ran.stderr);
                    assert!(
                        ran.stderr.contains("error:") && !ran.stderr.contains("panicked"),
                        "{what}: {}",
                        ran.stderr
                    );
                    assert!(ran.stderr.len() < 5000 && !ran.stderr.contains('\u{1b}'), "{what}: {}", ran.stderr);
                    assert!(!folder.path("a.parquet").exists(), "{what}");
                }
            });
        }
    });
}

/// Lines before the supervisor speaks, as login scripts print them, are passed over.
#[test]
fn a_login_that_prints_something_is_withstood() {
    let Some(board) = board() else { return };
    let program = board.path("agent");
    let folder = board.folder_at("127.0.0.1", board.port, &format!("agent_on_board = {program:?}"));
    let real = format!("echo Welcome; echo; exec '{}' \"$@\"", folder.agent.display());
    write_program(&program, &[&real]);
    folder.ok(MEASURE);
    assert_eq!(folder.read("a.parquet"), undisturbed(MEASURE).read("a.parquet"));
}

/// An agent that dies at the same place each time is not tried for ever.
#[test]
fn an_agent_that_always_dies_ends_with_code_5() {
    let Some(board) = board() else { return };
    let program = board.path("agent");
    let folder = board.folder(board.port);
    let text = fs::read_to_string(folder.path("nasprof/devices/board.toml")).unwrap();
    device_file(&folder, &format!("{text}agent_on_board = {program:?}\nreconnect_seconds = 3\n"));
    let ended = r#"echo '{"supervisor":"ended","status":"signal: 9","words":"out of memory"}'; read order"#;
    write_program(&program, &[READY, HELLO, ENDED, "while :; do", HELLO, CONFIGURED, ended, "done"]);
    let ran = folder.fails(MEASURE, 5, "out of memory");
    assert!(ran.stderr.contains("retrying") && ran.stderr.contains("--resume"), "{}", ran.stderr);
    assert!(!folder.path("a.parquet").exists());
}

/// Names that are commands, wherever a device file has room for one.
#[test]
fn nothing_in_a_device_file_is_taken_for_a_command() {
    let Some(board) = board() else { return };
    let folder = board.folder(board.port);
    let text = fs::read_to_string(folder.path("nasprof/devices/board.toml")).unwrap();
    let evil = format!("; touch {0} $(touch {0}) `touch {0}` & '", board.path("x").display());
    device_file(&folder, &format!("{text}libtorch = {evil:?}\nonnxruntime = {evil:?}\n"));
    folder.ok(MEASURE);
    device_file(&folder, &format!("{text}agent_on_board = {evil:?}\n"));
    folder.fails(MEASURE.replace("a.parquet", "b.parquet").as_str(), 1, "start the agent");
    for key in ["host", "user", "jump_host"] {
        let mut command = folder.command("devices check board");
        let ran: crate::harness::Ran = command.args(["--set", &format!("{key}={evil}")]).output().unwrap().into();
        assert!(ran.code == Some(2) && ran.stderr.contains(key), "{key}: {}", ran.stderr);
    }
    assert!(!board.was_injected());
    // Control: where a command is meant, it is one.
    device_file(&folder, &format!("{text}power_mode_command = {:?}\n", format!("touch {}", board.path("x").display())));
    folder.ok("devices check board");
    assert!(board.was_injected());
}
