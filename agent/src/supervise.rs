//! The supervisor on a board: a process at the board's end of a link. It starts a fresh agent on request and forwards lines.
//!
//! It holds the board's lock during a measurement and answers heartbeats while the agent is timing. When its input ends, or
//! after [`DEADLINE`] of silence, it kills the agent and exits, so nothing is left behind. The SSH server cannot be relied
//! on for this: a cut link does not end a remote command.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{env, process, thread};

use nasprof_profiler::protocol::{MARK, Notice, Order, PROTOCOL_VERSION, read_line};

use crate::board_lock::{BoardLock, Locked};

pub use crate::board_lock::Claim;

/// Silence of the host after which the supervisor exits.
const DEADLINE: Duration = Duration::from_secs(20);
/// How long an agent may take to exit after the end of its input.
const FAREWELL: Duration = Duration::from_secs(5);
/// Bytes kept of an agent's stderr and of a command's output.
const KEPT_BYTES: usize = 64 << 10;

/// The running agent, in a mutex because the watch thread may kill it.
type Running = Arc<Mutex<Option<Child>>>;

/// Supervises until the input ends. With a `claim`, takes the board's lock first.
///
/// # Errors
/// If the lock cannot be opened or a pipe breaks.
pub fn supervise(claim: Option<&Claim>) -> io::Result<()> {
    let lock = match claim.map(BoardLock::take).transpose()? {
        Some(Locked::By { owner, seconds }) => return send(&Notice::InUse { owner, seconds }),
        Some(Locked::Ours(lock)) => Some(lock),
        None => None,
    };
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    send(&Notice::Ready { protocol: PROTOCOL_VERSION, version, cores })?;
    let running = Running::default();
    let heard = Arc::new(Mutex::new(Instant::now()));
    watch(Arc::clone(&heard), Arc::clone(&running));
    let result = obey(&running, &heard);
    kill(&running);
    drop(lock);
    result
}

fn obey(running: &Running, heard: &Mutex<Instant>) -> io::Result<()> {
    let mut input = io::stdin().lock();
    let mut agent: Option<Agent> = None;
    while let Some(line) = read_line(&mut input)? {
        *heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        if !line.starts_with(MARK) {
            // If the agent has just died, its forwarder sends a notice.
            if let Some(agent) = &mut agent {
                let _ = agent.input.write_all(line.as_bytes()).and_then(|()| agent.input.write_all(b"\n"));
            }
            continue;
        }
        match serde_json::from_str(&line) {
            Ok(Order::Alive) => send(&Notice::Alive)?,
            Ok(Order::Start) => {
                agent.take().map_or(Ok(()), |agent| agent.end(running))?;
                match Agent::start(running) {
                    Ok(started) => agent = Some(started),
                    Err(e) => send(&Notice::Failed { error: format!("cannot start the agent: {e}") })?,
                }
            }
            Ok(Order::Stop) => match agent.take() {
                Some(agent) => agent.end(running)?,
                None => send(&Notice::Failed { error: "no agent runs".to_owned() })?,
            },
            // In a thread, so that heartbeats continue meanwhile.
            Ok(Order::Run { number, command }) => drop(thread::spawn(move || send(&run(number, &command)))),
            Err(e) => send(&Notice::Failed { error: format!("cannot read the request: {e}") })?,
        }
    }
    Ok(())
}

/// Ends everything if the host is silent for too long. Runs in its own thread, because the others may hang on a dead link.
fn watch(heard: Arc<Mutex<Instant>>, running: Running) {
    thread::spawn(move || {
        loop {
            thread::sleep(Duration::from_secs(1));
            if heard.lock().unwrap_or_else(PoisonError::into_inner).elapsed() > DEADLINE {
                kill(&running);
                process::exit(1);
            }
        }
    });
}

fn kill(running: &Running) {
    if let Some(child) = running.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        // An error means that the agent has already ended.
        let _ = child.kill();
    }
}

/// An agent and the thread that forwards its lines.
struct Agent {
    input: ChildStdin,
    forwarder: thread::JoinHandle<()>,
}

impl Agent {
    fn start(running: &Running) -> io::Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let missing = || io::Error::other("a pipe is missing");
        let input = child.stdin.take().ok_or_else(missing)?;
        let output = child.stdout.take().ok_or_else(missing)?;
        let errors = child.stderr.take().ok_or_else(missing)?;
        *running.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
        let words = thread::spawn(move || last_line(errors));
        let running = Arc::clone(running);
        let forwarder = thread::spawn(move || {
            // If a line cannot be forwarded, the link is lost, and the input ends too.
            let mut output = BufReader::new(output);
            while let Ok(Some(line)) = read_line(&mut output) {
                if say_line(&line).is_err() {
                    break;
                }
            }
            let ended = running.lock().unwrap_or_else(PoisonError::into_inner).take();
            let status = ended.map_or_else(String::new, |mut child| {
                // An agent that closes its output but keeps running is killed.
                let _ = child.kill();
                child.wait().map_or_else(|e| e.to_string(), |status| status.to_string())
            });
            let _ = send(&Notice::Ended { status, words: words.join().unwrap_or_default() });
        });
        Ok(Self { input, forwarder })
    }

    /// Ends the agent and waits until the notice of its end is sent.
    fn end(self, running: &Running) -> io::Result<()> {
        drop(self.input);
        let started = Instant::now();
        while !self.forwarder.is_finished() && started.elapsed() < FAREWELL {
            thread::sleep(Duration::from_millis(5));
        }
        kill(running);
        self.forwarder.join().map_err(|_| io::Error::other("forwarding lines failed"))
    }
}

/// Reads to the end and returns the last non-empty line.
fn last_line(errors: impl Read) -> String {
    let mut last = String::new();
    let mut errors = BufReader::new(errors);
    let mut line = Vec::new();
    while errors.by_ref().take(KEPT_BYTES as u64).read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        let text = String::from_utf8_lossy(&line).trim().to_owned();
        if !text.is_empty() {
            last = text;
        }
        line.clear();
    }
    last
}

fn run(number: u64, command: &str) -> Notice {
    // Both outputs share one pipe, so that they stay in order.
    match Command::new("sh").args(["-c", "exec 2>&1; eval \"$1\"", "sh", command]).stdin(Stdio::null()).output() {
        Ok(output) => {
            let kept = &output.stdout[..output.stdout.len().min(KEPT_BYTES)];
            Notice::Ran { number, status: output.status.code(), output: String::from_utf8_lossy(kept).into_owned() }
        }
        Err(e) => Notice::Failed { error: format!("cannot run a shell: {e}") },
    }
}

fn send(notice: &Notice) -> io::Result<()> {
    say_line(&serde_json::to_string(notice)?)
}

/// Writes a whole line at once, because several threads write.
fn say_line(line: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(line.as_bytes())?;
    output.write_all(b"\n")?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_show_both_outputs_in_order_and_their_exit_code() {
        let notice = run(7, "echo a; echo b >&2; exit 3");
        assert_eq!(notice, Notice::Ran { number: 7, status: Some(3), output: "a\nb\n".to_owned() });
        assert_eq!(run(8, "kill -9 $$"), Notice::Ran { number: 8, status: None, output: String::new() });
    }

    #[test]
    fn the_last_line_that_says_something_is_kept() {
        assert_eq!(last_line(&b"first\nlast \xff\n\n"[..]), "last \u{fffd}");
        assert_eq!(last_line(&b""[..]), "");
    }
}
