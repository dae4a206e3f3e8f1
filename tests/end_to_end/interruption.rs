//! Kill -9 at any moment: what was measured is kept, and the resumed LUT has the same bytes. The first signal is obeyed, whatever
//! is waited for.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::fake_agent::agent;
use crate::harness::{Folder, Ran};

const MEASURE: &str = "measure --device synthetic:quiet --space small.toml -o a.parquet";

#[test]
fn a_journal_cut_anywhere_gives_the_same_lut() {
    let whole = Folder::new();
    whole.ok(MEASURE);
    let journal = whole.read("a.journal.jsonl");
    for cut in (0..=8).map(|i| (journal.len() * i / 8).saturating_sub(i * 13)).filter(|&c| c > 3000) {
        let folder = Folder::new();
        fs::write(folder.path("a.journal.jsonl"), &journal[..cut]).unwrap();
        folder.fails(MEASURE, 2, "--resume");
        folder.ok(&format!("{MEASURE} --resume"));
        assert_eq!(folder.read("a.parquet"), whole.read("a.parquet"), "cut at {cut}");
        assert_eq!(folder.read("a.journal.jsonl"), journal, "cut at {cut}");
    }
    let other = Folder::new();
    other.ok(&format!("{MEASURE} --seed 1"));
    assert_ne!(other.read("a.parquet"), whole.read("a.parquet"));
}

#[test]
fn killed_and_resumed() {
    let whole = Folder::new();
    whole.ok(MEASURE);
    for milliseconds in [5, 20, 50, 100] {
        let folder = Folder::new();
        let mut child = folder.command(MEASURE).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
        folder.ok(&format!("{MEASURE} --resume"));
        assert_eq!(folder.read("a.parquet"), whole.read("a.parquet"), "killed after {milliseconds} ms");
    }
}

#[test]
fn a_second_run_does_nothing_and_other_options_are_refused() {
    let folder = Folder::new();
    folder.ok(MEASURE);
    let before = folder.read("a.journal.jsonl");
    folder.ok(&format!("{MEASURE} --resume"));
    assert_eq!(folder.read("a.journal.jsonl"), before);
    let other = format!("{MEASURE} --resume --ci 0.02 --seed 3");
    folder.fails(
        &other,
        2,
        "ci is 0.01 in the journal, but 0.02 was requested; seed is 0 in the journal, but 3 was requested",
    );
    assert_eq!(folder.read("a.journal.jsonl"), before);
}

/// A complete measurement is not shown as if it ran again; the control is one that has something left to do.
#[test]
fn a_complete_measurement_says_so() {
    let folder = Folder::new();
    let first = folder.run(MEASURE);
    assert!(first.stderr.contains("planned") && first.stderr.contains("round 1"), "{}", first.stderr);
    let again = folder.run(&format!("{MEASURE} --resume"));
    assert_eq!((again.code, &again.stdout), (Some(0), &first.stdout));
    assert_eq!(again.stderr.trim(), "a.journal.jsonl: complete; nothing is left to measure");
    let journal = folder.read("a.journal.jsonl");
    fs::write(folder.path("a.journal.jsonl"), &journal[..journal.len() / 2]).unwrap();
    let rest = folder.run(&format!("{MEASURE} --resume"));
    assert!(
        rest.stderr.contains("visits are recorded; continuing") && rest.stderr.contains("round"),
        "{}",
        rest.stderr
    );
    assert!(!rest.stderr.contains("planned") && !rest.stderr.contains("session 1/2: round 1,"), "{}", rest.stderr);
    assert_eq!(folder.read("a.journal.jsonl"), journal);
}

/// Measured anew where a measurement stands only when asked to, and not before the machine is quiet enough.
#[test]
fn a_measurement_is_overwritten_when_asked() {
    let folder = Folder::new();
    folder.ok(MEASURE);
    let before = folder.read("a.journal.jsonl");
    let other = format!("{MEASURE} --seed 3");
    let refused = folder.fails(&other, 2, "a.journal.jsonl exists");
    assert!(
        refused.stderr.contains("--resume continues") && refused.stderr.contains("--overwrite"),
        "{}",
        refused.stderr
    );
    folder.fails(&format!("{other} --resume --overwrite"), 2, "--overwrite");
    folder.fails("measure --device synthetic:busy --space small.toml -o a.parquet --overwrite", 4, "too noisy");
    assert_eq!(folder.read("a.journal.jsonl"), before);
    folder.ok(&format!("{other} --overwrite"));
    let fresh = Folder::new();
    fresh.ok(&other);
    assert_eq!(folder.read("a.journal.jsonl"), fresh.read("a.journal.jsonl"));
    assert_eq!(folder.read("a.parquet"), fresh.read("a.parquet"));
    let names = fs::read_dir(folder.path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.filter(|name| name.contains("replaced")).count() == 0);
    // Also what cannot be read, which --resume cannot go on with.
    fs::write(folder.path("a.journal.jsonl"), "no journal\n").unwrap();
    folder.fails(&format!("{other} --resume"), 2, "a.journal.jsonl");
    folder.ok(&format!("{other} --overwrite"));
    assert_eq!(folder.read("a.journal.jsonl"), fresh.read("a.journal.jsonl"));
    // A validation's journal is treated alike.
    let validate = "validate --device synthetic:quiet --lut a.parquet --space small.toml -n 2 --journal v.jsonl";
    folder.ok(validate);
    folder.fails(validate, 2, "--journal v.jsonl: it exists");
    folder.ok(&format!("{validate} --overwrite"));
}

/// A LUT from part of a measurement is no secret.
#[test]
fn what_a_journal_does_not_hold_is_said() {
    let folder = Folder::new();
    folder.ok(MEASURE);
    let rebuild = || folder.run("lut rebuild a.journal.jsonl -o b.parquet");
    let whole = rebuild();
    assert!(whole.code == Some(0) && whole.stderr.is_empty(), "{}", whole.stderr);
    let journal = folder.read("a.journal.jsonl");
    fs::write(folder.path("a.journal.jsonl"), &journal[..journal.len() - 20]).unwrap();
    let part = rebuild();
    let number = journal.iter().filter(|&&b| b == b'\n').count();
    assert!(part.stderr.contains(&format!("dropped incomplete line {number}")), "{}", part.stderr);
    assert!(part.stderr.contains("incomplete") && part.stderr.contains("--resume"), "{}", part.stderr);
}

fn terminate(child: &Child) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
}

/// Much longer than a machine that is busy with other things takes for a second's work, and much shorter than what is waited
/// for where nobody asks to stop: five minutes for a silent agent.
const BOUND: Duration = Duration::from_secs(90);

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < BOUND, "{what}: not within {} s", BOUND.as_secs());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What came of a child that was asked to end; it must have ended by itself.
fn ended(mut child: Child) -> Ran {
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > BOUND {
            child.kill().unwrap();
            panic!("it does not end when it is asked to");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap().into()
}

/// Whether the process of a `/proc/NUMBER/stat` runs; one that nobody has waited for does not.
fn lives(stat: &Path) -> bool {
    fs::read_to_string(stat).is_ok_and(|stat| !stat.contains(") Z "))
}

fn begin(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn the_first_signal_is_obeyed_while_an_agent_is_silent() {
    let whole = Folder::new();
    whole.ok(MEASURE);
    let mut kept = Vec::new();
    // At the greeting, at the set-up, and in the midst of measuring.
    for replies in [0, 1, 2, 40] {
        let folder = Folder::new();
        let mut command = folder.command(MEASURE);
        command.env("NASPROF_AGENT", agent(&folder, replies, ""));
        let child = begin(command);
        wait_until("the agent is silent", || folder.path("silent").exists());
        terminate(&child);
        let ran = ended(child);
        let pid = fs::read_to_string(folder.path("silent")).unwrap();
        let stat = Path::new("/proc").join(pid.trim()).join("stat");
        let journal = fs::read(folder.path("a.journal.jsonl")).unwrap_or_default();
        kept.push(journal.iter().filter(|&&b| b == b'\n').count());
        assert_eq!(ran.code, Some(5), "after {replies}: {}", ran.stderr);
        assert!(ran.stderr.contains("interrupted") && ran.stderr.contains("--resume"), "{}", ran.stderr);
        // It does not listen, so it is ended.
        wait_until("the agent has ended", || !lives(&stat));
        // Nothing that was measured is lost.
        assert!(!folder.path("a.parquet").exists());
        folder.ok(&format!("{MEASURE} --resume"));
        assert_eq!(folder.read("a.parquet"), whole.read("a.parquet"), "after {replies}");
    }
    assert!(kept[3] > kept[1], "{kept:?}");
}

#[test]
fn the_first_signal_is_obeyed_while_the_gate_waits() {
    let folder = Folder::new();
    let line = MEASURE.replace("quiet", "busy");
    let mut command = folder.command(&line);
    // In real time the gate waits a minute for a quiet machine; then it would be another exit code.
    let real = "| sed 's/\"virtual_time\":true/\"virtual_time\":false/'";
    command.env("NASPROF_AGENT", agent(&folder, 100_000, real));
    let mut child = begin(command);
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("waiting for a quiet machine") {
        assert_ne!(errors.read_line(&mut said).unwrap(), 0, "{said}");
    }
    terminate(&child);
    errors.read_to_string(&mut said).unwrap();
    let ran = ended(child);
    assert_eq!(ran.code, Some(5), "{said}");
    assert!(said.contains("interrupted"), "{said}");
}

/// A host that takes the connection and never greets.
#[test]
fn the_first_signal_is_obeyed_in_a_handshake() {
    let folder = Folder::new();
    let host = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = host.local_addr().unwrap().port();
    fs::create_dir_all(folder.path("nasprof/devices")).unwrap();
    let device = format!(
        "format_version = 1\ntransport = \"ssh\"\nhost = \"127.0.0.1\"\nport = {port}\nuser = \"nobody\"\n\
         backend = \"synthetic:quiet\"\nthreads = 1\n"
    );
    fs::write(folder.path("nasprof/devices/mute.toml"), device).unwrap();
    for line in ["devices check mute", "measure --device mute --space small.toml -o a.parquet"] {
        let child = begin(folder.command(line));
        let connection = host.accept().unwrap();
        terminate(&child);
        let ran = ended(child);
        // By itself it would end with words about the handshake.
        assert_eq!(ran.code, Some(5), "{line}: {}", ran.stderr);
        // By itself it would end with words about the handshake.
        assert!(ran.stderr.contains("error: interrupted"), "{line}: {}", ran.stderr);
        assert!(!folder.path("a.parquet").exists());
        drop(connection);
    }
}

/// A program that trains may be silent for as long as an epoch takes.
#[test]
fn the_first_signal_is_obeyed_in_a_long_training_step() {
    let folder = Folder::new();
    let trainer = folder.path("trainer");
    fs::write(&trainer, "#!/bin/sh\necho $$ > silent.part; mv silent.part silent\nexec sleep 100000\n").unwrap();
    fs::set_permissions(&trainer, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.path("arch.json"), folder.ok("space sample small.toml")).unwrap();
    let experiment = "format_version = 1\nspace = \"small.toml\"\n[data]\ndataset = \"cifar10\"\npath = \"images\"\n\
        [training]\nepochs = 1\nbatch_size = 10\nthreads = 1\ncompute = \"cpu\"\n\
        [optimizers.weights]\nkind = \"momentum\"\nlearning_rate = 0.05\n[trainer]\narch = \"arch.json\"\n";
    fs::write(folder.path("train.toml"), experiment).unwrap();
    let folder = folder.with_search(trainer);
    let child = begin(folder.command("train train.toml -o run"));
    wait_until("the trainer works", || folder.path("silent").exists());
    let pid = fs::read_to_string(folder.path("silent")).unwrap();
    terminate(&child);
    let ran = ended(child);
    assert_eq!(ran.code, Some(5), "{}", ran.stderr);
    assert!(ran.stderr.contains("completed epochs are kept") && ran.stderr.contains("--resume"), "{}", ran.stderr);
    let stat = Path::new("/proc").join(pid.trim()).join("stat");
    wait_until("the trainer has ended", || !lives(&stat));
}
