//! Links that are cut and peers that freeze: the measurement goes on by itself, and its LUT is the one that an
//! undisturbed measurement gives.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::board::{Board, MEASURE, board, undisturbed};
use crate::cable::Cable;
use crate::harness::{Folder, Ran};
use crate::processes::{wait_unless, wait_until};

/// Random moments at which a link is cut.
const CUTS: usize = 20;
/// Bytes after which an agent that was there already is at work: more than a connection takes, less than a measurement.
pub(crate) const AT_WORK: u64 = 12_000;

/// Starts a measurement in the background.
pub(crate) fn begin(folder: &Folder, line: &str) -> Child {
    begin_command(&mut folder.command(line))
}

/// The same with a command that has an environment of its own.
pub(crate) fn begin_command(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

pub(crate) fn finish(child: Child) -> Ran {
    child.wait_with_output().unwrap().into()
}

/// What a measurement says, as it says it.
pub(crate) struct Listener {
    child: Child,
    said: Arc<Mutex<String>>,
    reader: thread::JoinHandle<()>,
}

impl Listener {
    /// Listens to a child that [`begin`] started.
    pub(crate) fn to(mut child: Child) -> Self {
        let said = Arc::new(Mutex::new(String::new()));
        let (errors, heard) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(&said));
        let reader = thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                *heard.lock().unwrap() += &format!("{line}\n");
            }
        });
        Self { child, said, reader }
    }

    /// Waits until it has said some words.
    pub(crate) fn wait_for(&mut self, words: &str) {
        let said = Arc::clone(&self.said);
        self.wait_until(words, || said.lock().unwrap().contains(words));
    }

    /// Waits until something holds that the measurement brings about. One that ends before then will not.
    pub(crate) fn wait_until(&mut self, what: &str, holds: impl FnMut() -> bool) {
        let (child, said, reader) = (&mut self.child, &self.said, &self.reader);
        let ended = || {
            let status = child.try_wait().unwrap().filter(|_| reader.is_finished())?;
            Some(format!("the measurement ended, {status}"))
        };
        wait_unless(what, holds, ended, || said.lock().unwrap().clone());
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    pub(crate) fn finish(self) -> Ran {
        let output = self.child.wait_with_output().unwrap();
        self.reader.join().unwrap();
        let stderr = self.said.lock().unwrap().clone();
        Ran { stderr, ..output.into() }
    }
}

/// A board that has its agent, and a folder that reaches it through a cable.
pub(crate) fn wired() -> Option<(Board, Cable, Folder)> {
    let board = board()?;
    let cable = Cable::to(board.port);
    let folder = board.folder(cable.port);
    board.folder(board.port).ok("devices check board");
    Some((board, cable, folder))
}

/// Bytes that an undisturbed measurement moves.
fn whole_measurement() -> Option<u64> {
    let (_board, cable, folder) = wired()?;
    folder.ok(MEASURE);
    Some(cable.passed())
}

/// The control is the measurement without a cut: it never waits for the device.
#[test]
fn a_link_cut_at_random_moments_costs_nothing() {
    let Some(whole) = whole_measurement() else { return };
    let expected = undisturbed(MEASURE).read("a.parquet");
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    // No two measurements move exactly as many bytes.
    let moments: Vec<u64> = (0..CUTS).map(|_| rng.random_range(1..whole * 19 / 20)).collect();
    let (resumed, again) = (AtomicUsize::new(0), AtomicUsize::new(0));
    // Four at a time: most of it is waiting.
    thread::scope(|scope| {
        let (resumed, again, expected) = (&resumed, &again, &expected);
        for some in moments.chunks(CUTS / 4) {
            scope.spawn(move || {
                let (board, ..) = wired().unwrap();
                for &moment in some {
                    let cable = Cable::to(board.port);
                    let folder = board.folder(cable.port);
                    cable.hold_after(moment);
                    let child = begin(&folder, MEASURE);
                    cable.wait_until_held();
                    cable.cut();
                    cable.mend();
                    let ran = finish(child);
                    match ran.code {
                        Some(0) if ran.stderr.contains("retrying") => drop(resumed.fetch_add(1, SeqCst)),
                        Some(0) => {}
                        // Cut before the board was reached: nothing was begun, and the same command does it.
                        Some(5) => {
                            again.fetch_add(1, SeqCst);
                            folder.ok(&format!("{MEASURE} --resume"));
                        }
                        code => panic!("cut after {moment} of {whole} bytes: {code:?}\n{}", ran.stderr),
                    }
                    assert_eq!(&folder.read("a.parquet"), expected, "cut after {moment} of {whole} bytes");
                    wait_until("no process is left on the board", || board.agents().is_empty());
                }
            });
        }
    });
    let (resumed, again) = (resumed.into_inner(), again.into_inner());
    eprintln!("{CUTS} cuts: {resumed} went on by themselves, {again} before anything was begun");
    assert!(resumed >= CUTS / 2, "{resumed} resumed, {again} again");
}

/// A server that is busy or just starting ends connections before it greets, or in the midst of the key exchange: the next
/// one is as good as the first would have been. The control: without time for another try it is an error at once.
#[test]
fn a_connection_that_ends_before_the_handshake_is_tried_again() {
    let Some((_board, cable, folder)) = wired() else { return };
    cable.refuse(2);
    let ran = folder.run(MEASURE);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("retrying").count(), 2, "{}", ran.stderr);
    assert_eq!(folder.read("a.parquet"), undisturbed(MEASURE).read("a.parquet"));

    // The greetings pass, and little more.
    cable.hold_after(200);
    let mut host = Listener::to(begin(&folder, "devices check board"));
    cable.wait_until_held();
    cable.cut();
    host.wait_for("during the SSH handshake");
    cable.mend();
    let ran = host.finish();
    assert!(ran.code == Some(0) && ran.stderr.contains("retrying"), "{}", ran.stderr);
    // Not said where there is nothing to say.
    assert!(!folder.run("devices check board").stderr.contains("retrying"));

    cable.refuse(1);
    let ran = folder.run("devices check board --set reconnect_seconds=0");
    assert_eq!(ran.code, Some(5), "{}", ran.stderr);
    assert!(ran.stdout.contains("BAD") && ran.stdout.contains("`reconnect_seconds`"), "{}", ran.stdout);
    assert!(!ran.stderr.contains("retrying"), "{}", ran.stderr);
    // Nobody is there to greet: it is tried as long as the device file says, and no longer.
    cable.refuse(u64::MAX);
    let ran = folder.run("devices check board --set reconnect_seconds=3");
    assert!(ran.code == Some(5) && ran.stderr.contains("retrying"), "{}", ran.stderr);
}

/// An upload that is cut leaves no agent that looks whole.
#[test]
fn a_cut_upload_is_made_again() {
    let Some(board) = board() else { return };
    let cable = Cable::to(board.port);
    let folder = board.folder(cable.port);
    let size = fs::metadata(&folder.agent).unwrap().len();
    for part in [4, 2] {
        cable.hold_after(size / part);
        let child = begin(&folder, MEASURE);
        cable.wait_until_held();
        cable.cut();
        assert_eq!(finish(child).code, Some(5));
        assert!(!folder.path("a.journal.jsonl").exists());
        cable.mend();
    }
    let parts = || fs::read_dir(board.work()).unwrap().map(|e| e.unwrap().path()).collect::<Vec<PathBuf>>();
    wait_until("no part is left", || parts().iter().all(|p| !p.to_string_lossy().ends_with(".part")));
    assert!(folder.ok("devices check board").contains("(uploaded)"));
    folder.ok(MEASURE);
}

/// A signal ends an upload that does not go on: it waits neither for the link nor for its being given up. What was uploaded is no
/// agent. The control: the link is only held, and without a signal the upload goes on.
#[test]
fn a_signal_ends_an_upload() {
    let Some(board) = board() else { return };
    let size = fs::metadata(&board.folder(board.port).agent).unwrap().len();
    for signal in [Some(Signal::SIGINT), Some(Signal::SIGTERM), None] {
        let cable = Cable::to(board.port);
        let folder = board.folder(cable.port);
        cable.hold_after(size / 3);
        let host = begin(&folder, MEASURE);
        cable.wait_until_held();
        if let Some(signal) = signal {
            kill(Pid::from_raw(i32::try_from(host.id()).unwrap()), signal).unwrap();
        } else {
            cable.let_go();
        }
        let ran = finish(host);
        let expected = if signal.is_some() { 5 } else { 0 };
        assert_eq!(ran.code, Some(expected), "{signal:?}: {}", ran.stderr);
        // Not what is said of a link that is silent or cut.
        assert_eq!(ran.stderr.contains("error: interrupted"), signal.is_some(), "{signal:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains("retrying"), "{signal:?}: {}", ran.stderr);
        assert_eq!(folder.path("a.parquet").exists(), signal.is_none(), "{signal:?}");
        cable.cut();
    }
}

/// Nothing tells either end that bytes do not arrive any more; only silence does.
#[test]
fn a_frozen_link_is_noticed_and_mended() {
    let Some((board, cable, folder)) = wired() else { return };
    cable.hold_after(AT_WORK);
    let child = begin(&folder, MEASURE);
    cable.wait_until_held();
    cable.freeze();
    let mut host = Listener::to(child);
    // The supervisor behind the frozen link still holds the board, and is replaced by that of the new one.
    host.wait_for("retrying");
    cable.mend();
    let ran = host.finish();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("retrying"), "{}", ran.stderr);
    assert_eq!(folder.read("a.parquet"), undisturbed(MEASURE).read("a.parquet"));
    wait_until("no process is left on the board", || board.agents().is_empty());
}

#[test]
fn a_link_that_stays_cut_ends_with_code_5_and_is_resumed() {
    let Some((_board, cable, folder)) = wired() else { return };
    let line = format!("{MEASURE} --set reconnect_seconds=2");
    cable.hold_after(AT_WORK);
    let child = begin(&folder, &line);
    cable.wait_until_held();
    cable.cut();
    let ran = finish(child);
    assert_eq!(ran.code, Some(5), "{}", ran.stderr);
    assert!(ran.stderr.contains("--resume"), "{}", ran.stderr);
    assert!(!folder.path("a.parquet").exists());
    cable.mend();
    folder.ok(&format!("{line} --resume"));
    assert_eq!(folder.read("a.parquet"), undisturbed(MEASURE).read("a.parquet"));
}

/// The processes of the connection, then the supervisor, stop without ending.
#[test]
fn frozen_peers_are_left_behind() {
    let Some((board, cable, folder)) = wired() else { return };
    let expected = undisturbed(MEASURE).read("a.parquet");
    for supervisor in [false, true] {
        cable.hold_after(AT_WORK);
        let child = begin(&folder, &format!("{MEASURE} --resume"));
        cable.wait_until_held();
        let frozen = match supervisor {
            false => board.sessions(),
            true => board.agents().into_iter().filter(|process| process.supervises).collect(),
        };
        assert!(!frozen.is_empty());
        frozen.iter().for_each(|process| process.signal(Signal::SIGSTOP));
        cable.let_go();
        let ran = finish(child);
        frozen.iter().for_each(|process| process.signal(Signal::SIGCONT));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(ran.stderr.contains("no heartbeat"), "{}", ran.stderr);
        assert_eq!(folder.read("a.parquet"), expected);
        wait_until("no process is left on the board", || board.agents().is_empty());
        for file in ["a.parquet", "a.journal.jsonl"] {
            fs::remove_file(folder.path(file)).unwrap();
        }
    }
}

/// A host that sleeps longer than the board waits for it finds its agent gone, and goes on.
#[test]
fn a_board_does_not_wait_for_ever_for_a_frozen_host() {
    let Some((board, cable, folder)) = wired() else { return };
    cable.hold_after(AT_WORK);
    let child = begin(&folder, MEASURE);
    cable.wait_until_held();
    let host = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(host, Signal::SIGSTOP).unwrap();
    cable.let_go();
    assert!(!board.agents().is_empty());
    wait_until("the board gives up", || board.agents().is_empty());
    nix::sys::signal::kill(host, Signal::SIGCONT).unwrap();
    let ran = finish(child);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(folder.read("a.parquet"), undisturbed(MEASURE).read("a.parquet"));
}

/// With real layers and real time, where nothing is measured twice: every visit is in the journal once.
#[test]
fn a_real_measurement_goes_on_after_a_cut() {
    let Some(agent) = std::env::var_os("NASPROF_TEST_TORCH_AGENT").map(PathBuf::from) else {
        nasprof_testkit::skip::skip("NASPROF_TEST_TORCH_AGENT names no agent with libtorch (`make test` does)");
        return;
    };
    let Some(board) = board() else { return };
    let cable = Cable::to(board.port);
    let direct = board.folder(board.port).with_agent(agent.clone());
    direct.ok("devices check board");
    let folder = board.folder(cable.port).with_agent(agent);
    let line = format!("{MEASURE} --set backend=torch --allow-noisy --ci 0.5");
    let mut host = Listener::to(begin(&folder, &line));
    let visits = || {
        let text = fs::read_to_string(folder.path("a.journal.jsonl")).unwrap_or_default();
        text.matches("\"event\":\"visit\"").count()
    };
    host.wait_until("some visits", || visits() > 5);
    cable.cut();
    host.wait_for("retrying");
    cable.mend();
    let ran = host.finish();
    assert!(matches!(ran.code, Some(0 | 3)), "{}", ran.stderr);
    assert!(ran.stderr.contains("retrying"), "{}", ran.stderr);
    let journal = String::from_utf8(folder.read("a.journal.jsonl")).unwrap();
    let events: Vec<Value> = journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.iter().any(|e| e["event"]["event"] == "resumed"));
    let numbers: Vec<u64> = events.iter().filter_map(|e| e["event"].get("visit")?["sequence"].as_u64()).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    folder.ok("lut rebuild a.journal.jsonl -o b.parquet");
    assert_eq!(folder.read("a.parquet"), folder.read("b.parquet"));
}
