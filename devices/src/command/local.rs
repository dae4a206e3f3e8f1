//! Runs the command on this machine: the same script, without a link.

use std::io::{self, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::script;
use crate::ssh::Output;

/// Interval of the checks whether the user wants to stop.
const STEP: Duration = Duration::from_millis(50);
/// Maximum number of pieces of output to read ahead.
const READ_AHEAD: usize = 16;

/// Runs the script with arguments and input. `hear` takes its output, or returns an error to stop. The script has ended when
/// this returns.
pub(super) fn run(
    arguments: &[&str],
    input: &[u8],
    hear: &mut dyn FnMut(&mut Vec<u8>) -> io::Result<()>,
) -> io::Result<Output> {
    let child = Command::new("sh")
        .args(["-c", script::RUN, "sh"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C in the terminal must reach only this program.
        .process_group(0)
        .spawn()?;
    let mut running = Running(child);
    if let Some(mut pipe) = running.0.stdin.take() {
        let input = input.to_vec();
        // A script that ends early does not read its input, so a write error is ignored.
        thread::spawn(move || pipe.write_all(&input));
    }
    let missing = || io::Error::other("a pipe is missing");
    let mut output = running.0.stdout.take().ok_or_else(missing)?;
    let errors = running.0.stderr.take().ok_or_else(missing)?;
    let words = thread::spawn(move || last_words(errors));
    let (sender, pieces) = sync_channel::<Vec<u8>>(READ_AHEAD);
    thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(n) = output.read(&mut buffer) {
            if n == 0 || sender.send(buffer[..n].to_vec()).is_err() {
                break;
            }
        }
    });
    let mut heard = Vec::new();
    loop {
        match pieces.recv_timeout(STEP) {
            Ok(piece) => heard.extend_from_slice(&piece),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        hear(&mut heard)?;
    }
    let status = running.0.wait()?;
    Ok(Output {
        status: status.code().unwrap_or(255),
        text: String::from_utf8_lossy(&heard).into_owned(),
        errors: words.join().unwrap_or_default(),
    })
}

/// The running script. When this is dropped, the script gets a signal and cleans up.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if let (Ok(None), Ok(pid)) = (self.0.try_wait(), i32::try_from(self.0.id())) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            let _ = self.0.wait();
        }
    }
}

/// The last bytes of stderr; the dots in it are heartbeats.
fn last_words(errors: impl Read) -> String {
    const KEPT: usize = 64 << 10;
    let mut kept = Vec::new();
    let mut buffer = [0; 4096];
    let mut errors = BufReader::new(errors);
    while let Ok(n) = errors.read(&mut buffer)
        && n > 0
    {
        kept.extend_from_slice(&buffer[..n]);
        kept.drain(..kept.len().saturating_sub(KEPT));
    }
    String::from_utf8_lossy(&kept).into_owned()
}
