//! An agent as a child process on this machine.

use std::io::{self, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use nasprof_base::{KILLED, is_over_within};
use nasprof_profiler::protocol::read_line;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::agent::Pipe;
use crate::error::{LinkError, Step};
use crate::words::LastWords;

/// How long an agent may take to exit after the end of its input.
const FAREWELL: Duration = Duration::from_secs(5);
/// Maximum number of lines to read ahead; an agent that writes more has to wait.
const READ_AHEAD: usize = 16;

/// Process numbers of the running children, for [`end_agents`].
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// Kills the agents on this machine at once. For a program that is about to exit: an agent that does not react would outlive
/// it. The holder process restores locked clocks.
pub fn end_agents() {
    for pid in running().drain(..) {
        // The child was not waited for, so the number is still its own. An error means that it has already ended.
        let _ = i32::try_from(pid).map(|pid| kill(Pid::from_raw(pid), Signal::SIGKILL));
    }
}

fn running() -> MutexGuard<'static, Vec<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An agent as a child process. It ends when this is dropped, and by itself when this process dies.
pub(crate) struct LocalPipe {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<io::Result<String>>,
    /// Its last words on stderr.
    words: Arc<Mutex<LastWords>>,
}

impl LocalPipe {
    pub(crate) fn spawn(program: &Path, libraries: &[&str]) -> Result<Self, LinkError> {
        let mut command = Command::new(program);
        if !libraries.is_empty() {
            // Empty and relative entries are dropped, because they depend on the current folder.
            let inherited = std::env::var("LD_LIBRARY_PATH").unwrap_or_default();
            let inherited = inherited.split(':').filter(|folder| folder.starts_with('/'));
            let all: Vec<&str> = libraries.iter().copied().chain(inherited).collect();
            command.env("LD_LIBRARY_PATH", all.join(":"));
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C in the terminal must reach only this program, so that the current visit is still recorded.
            .process_group(0)
            .spawn()
            .map_err(|e| LinkError::WrongAgent { path: program.display().to_string(), problem: e.to_string() })?;
        running().push(child.id());
        let input = child.stdin.take();
        let (sender, lines) = sync_channel(READ_AHEAD);
        if let Some(output) = child.stdout.take() {
            thread::spawn(move || {
                let mut output = BufReader::new(output);
                loop {
                    let line = read_line(&mut output).transpose();
                    let Some(line) = line else { break };
                    let failed = line.is_err();
                    if sender.send(line).is_err() || failed {
                        break;
                    }
                }
            });
        }
        let words = Arc::new(Mutex::new(LastWords::default()));
        if let Some(errors) = child.stderr.take() {
            let kept = Arc::clone(&words);
            thread::spawn(move || {
                // The last line counts even without a final newline.
                let mut errors = BufReader::new(errors.chain(&b"\n"[..]));
                while let Ok(Some(line)) = read_line(&mut errors) {
                    kept.lock().unwrap_or_else(PoisonError::into_inner).hear(&line);
                }
            });
        }
        Ok(Self { child, input, lines, words })
    }

    /// Whether the child has ended. If so, its number is removed from the list, because the system may reuse it.
    fn has_ended(&mut self) -> bool {
        let mut running = running();
        let ended = !matches!(self.child.try_wait(), Ok(None));
        if ended {
            running.retain(|&pid| pid != self.child.id());
        }
        ended
    }

    fn lost(&mut self, what: &str) -> LinkError {
        // Its words on stderr often state the reason.
        thread::sleep(Duration::from_millis(50));
        self.has_ended();
        let status = match self.child.try_wait() {
            Ok(Some(status)) => format!(" ({status})"),
            _ => String::new(),
        };
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        let words = words.reason().map_or_else(String::new, |line| format!(": {}", crate::words::words(line)));
        LinkError::Lost(format!("{what}{status}{words}"))
    }
}

impl Pipe for LocalPipe {
    fn send(&mut self, line: &str) -> Result<(), LinkError> {
        let sent = self.input.as_mut().map(|input| {
            input.write_all(line.as_bytes())?;
            input.write_all(b"\n")?;
            input.flush()
        });
        if matches!(sent, Some(Ok(()))) { Ok(()) } else { Err(self.lost("the agent does not read its input")) }
    }

    fn run(&mut self, command: &str) -> Result<(i32, String), LinkError> {
        run_here(command)
    }

    fn receive(&mut self, patience: Duration) -> Result<String, LinkError> {
        match self.lines.recv_timeout(patience) {
            Ok(Ok(line)) => Ok(line),
            Ok(Err(e)) => Err(LinkError::protocol(e.to_string())),
            Err(RecvTimeoutError::Timeout) => {
                Err(self.lost(&format!("the agent was silent for {} s", patience.as_secs())))
            }
            Err(RecvTimeoutError::Disconnected) => Err(self.lost("the agent ended")),
        }
    }
}

/// Runs a shell command on this machine. Returns exit code and output, stderr included.
pub(crate) fn run_here(command: &str) -> Result<(i32, String), LinkError> {
    let output = Command::new("sh")
        .args(["-c", "exec 2>&1; eval \"$1\"", "sh", command])
        .stdin(Stdio::null())
        .output()
        .map_err(|e| LinkError::Board { step: Step::Command, problem: e.to_string() })?;
    Ok((output.status.code().unwrap_or(255), String::from_utf8_lossy(&output.stdout).into_owned()))
}

impl Drop for LocalPipe {
    fn drop(&mut self) {
        // The end of its input ends the agent; an agent that does not react is killed.
        self.input = None;
        if is_over_within(FAREWELL, || self.has_ended()) {
            return;
        }
        // An error means that the agent has already ended.
        let _ = self.child.kill();
        // One that waits for a GPU off the bus does not end even now. It is left behind, so that the user hears of the loss.
        is_over_within(KILLED, || self.has_ended());
    }
}
