//! ONNX Runtime for a board: its own library, or one that is put there once. A stand-in file takes the library's place.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::board::{Board, board};
use crate::cable::Cable;
use crate::harness::{Folder, Ran};
use crate::link::{begin_command, finish};
use crate::processes::wait_until;

const CHECK: &str = "devices check board --set backend=onnxruntime";

/// A board whose agent, asked for its library, answers with these words and exit code; all else the real agent does. Asking is
/// written down.
fn folder(board: &Board, port: u16, answer: &str, code: u8) -> Folder {
    let folder = board.folder_at("127.0.0.1", port, &format!("agent_on_board = {:?}", board.path("agent")));
    let script = format!(
        "#!/bin/sh\n[ \"$1\" != library ] || {{ echo asked >> '{0}'; echo '{answer}'; echo '{answer}' >&2; exit {code}; }}\n\
         exec '{1}' \"$@\"\n",
        board.path("asked").display(),
        folder.agent.display()
    );
    fs::write(board.path("agent"), script).unwrap();
    fs::set_permissions(board.path("agent"), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// A file with the header of a program of this machine and so many bytes.
fn stand_in(folder: &Folder, size: usize) -> PathBuf {
    let mut bytes = fs::read(&folder.agent).unwrap();
    bytes.truncate(64);
    bytes.extend((bytes.len()..size).map(|i| (i % 251) as u8));
    let path = folder.path("libonnxruntime.so.1.99.0");
    fs::write(&path, bytes).unwrap();
    path
}

/// The command on a machine whose cache is empty, with the library named.
fn run(folder: &Folder, line: &str, library: Option<&PathBuf>) -> Ran {
    let mut command = folder.command(line);
    command.env("XDG_CACHE_HOME", folder.path("cache")).env_remove("NASPROF_ONNXRUNTIME");
    library.map(|library| command.env("NASPROF_ONNXRUNTIME", library));
    command.output().unwrap().into()
}

/// Files on the board whose names begin so.
fn on_board(board: &Board, prefix: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(board.work()).into_iter().flatten().map(|entry| entry.unwrap().path());
    files.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(prefix)).collect()
}

#[test]
fn a_library_is_uploaded_once_and_the_agent_is_told() {
    let Some(board) = board() else { return };
    let folder = folder(&board, board.port, "found no libonnxruntime.so", 3);
    let library = stand_in(&folder, 100_000);
    let first = run(&folder, CHECK, Some(&library));
    let [uploaded] = &on_board(&board, "onnxruntime-")[..] else { panic!("{}{}", first.stdout, first.stderr) };
    assert_eq!(fs::read(uploaded).unwrap(), fs::read(&library).unwrap());
    assert!(first.stdout.contains("(uploaded)"), "{}", first.stdout);
    // A stand-in cannot be loaded: the agent says so of the file that it was told.
    let name = uploaded.file_name().unwrap().to_string_lossy().into_owned();
    let runtime =
        first.stdout.lines().find(|line| line.starts_with("runtime")).unwrap_or_else(|| panic!("{}", first.stdout));
    assert!(first.code == Some(2) && runtime.contains("BAD") && runtime.contains(&name), "{}", first.stdout);

    let again = run(&folder, CHECK, Some(&library));
    assert!(again.stdout.contains("(already there)") && !again.stdout.contains("(uploaded)"), "{}", again.stdout);
    // A board that lost its power may have kept the name and not the bytes.
    fs::write(uploaded, vec![0; 100_000]).unwrap();
    let damaged = run(&folder, CHECK, Some(&library));
    assert!(damaged.stdout.contains("(uploaded)"), "{}", damaged.stdout);
    assert_eq!(fs::read(uploaded).unwrap(), fs::read(&library).unwrap());
    // A folder that holds it will do as well, and another library is another file.
    fs::write(&library, fs::read(&library).unwrap().repeat(2)).unwrap();
    let other = run(&folder, CHECK, Some(&folder.path(".")));
    assert!(other.stdout.contains("(uploaded)") && on_board(&board, "onnxruntime-").len() == 2, "{}", other.stdout);
    assert!(!board.was_injected());
}

/// The control is the test above: the same board without a library.
#[test]
fn a_board_that_has_a_library_gets_none() {
    let Some(board) = board() else { return };
    let folder = folder(&board, board.port, "/opt/lib/libonnxruntime.so.1.20.0", 0);
    let library = stand_in(&folder, 100_000);
    let ran = run(&folder, CHECK, Some(&library));
    assert!(ran.stdout.contains("/opt/lib/libonnxruntime.so.1.20.0 (the board's own)"), "{}", ran.stdout);
    assert!(on_board(&board, "onnxruntime-").is_empty() && board.path("asked").exists());
    // A folder that the device file names is not asked about, and neither is a back end that needs no library.
    fs::remove_file(board.path("asked")).unwrap();
    for line in [format!("{CHECK} --set onnxruntime=/opt/lib"), "devices check board".to_owned()] {
        let ran = run(&folder, &line, Some(&library));
        assert!(!ran.stdout.contains("library"), "{}", ran.stdout);
        assert!(on_board(&board, "onnxruntime-").is_empty() && !board.path("asked").exists(), "{line}");
    }
}

#[test]
fn a_cut_upload_of_a_library_is_made_again() {
    let Some(board) = board() else { return };
    let cable = Cable::to(board.port);
    let folder = folder(&board, cable.port, "none", 3);
    let library = stand_in(&folder, 3_000_000);
    cable.hold_after(1_500_000);
    let mut command = folder.command(CHECK);
    command.env("NASPROF_ONNXRUNTIME", &library);
    let child = begin_command(&mut command);
    cable.wait_until_held();
    cable.cut();
    assert_eq!(finish(child).code, Some(5));
    cable.mend();
    wait_until("no part is left", || on_board(&board, "onnxruntime-").is_empty());
    let ran = run(&folder, CHECK, Some(&library));
    assert!(ran.stdout.contains("(uploaded)"), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(on_board(&board, "onnxruntime-").len(), 1);
}

#[test]
fn a_library_that_cannot_serve_and_one_that_is_nowhere_are_told() {
    let Some(board) = board() else { return };
    let folder = folder(&board, board.port, "found no libonnxruntime.so: looked in /nowhere", 3);
    let library = stand_in(&folder, 1000);
    let mut bytes = fs::read(&library).unwrap();
    // The machine of the ELF header: RISC-V.
    bytes[18..20].copy_from_slice(&243_u16.to_le_bytes());
    fs::write(&library, &bytes).unwrap();
    let measure = "measure --device board --set backend=onnxruntime --space small.toml -o a.parquet";
    let ran = run(&folder, measure, Some(&library));
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    for expected in ["libonnxruntime.so.1.99.0", "is built for riscv64, but the board is", "hint: remove the library"] {
        assert!(ran.stderr.contains(expected), "no `{expected}` in {}", ran.stderr);
    }
    let ran = run(&folder, measure, None);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    for expected in [
        "looked in /nowhere",
        "scripts/install-onnxruntime.sh",
        "pip install onnxruntime",
        "`onnxruntime` in the device file",
    ] {
        assert!(ran.stderr.contains(expected), "no `{expected}` in {}", ran.stderr);
    }
    let check = run(&folder, CHECK, None);
    assert!(check.stdout.lines().any(|line| line.starts_with("library") && line.contains("BAD")), "{}", check.stdout);
    assert!(on_board(&board, "onnxruntime-").is_empty() && !folder.path("a.journal.jsonl").exists());
}
