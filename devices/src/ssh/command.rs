//! Remote commands: quoting, input and output.

use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use super::{Connection, wait};
use crate::error::{LinkError, lost};

/// A command without input or output for this long counts as lost.
const SILENCE: Duration = Duration::from_secs(30);
/// Maximum bytes of output; our scripts print only a few lines.
const MAX_OUTPUT: usize = 1 << 20;

/// Result of a command.
#[derive(Debug)]
pub(crate) struct Output {
    /// Exit code; 255 if a signal ended it.
    pub(crate) status: i32,
    pub(crate) text: String,
    pub(crate) errors: String,
}

impl Connection {
    /// Runs a POSIX shell script with arguments (`$1` …) and input, whatever the account's own shell is.
    pub(crate) fn run(&self, script: &str, arguments: &[&str], input: &[u8]) -> Result<Output, LinkError> {
        self.run_heard(script, arguments, input, SILENCE, &mut |output| match output.len() {
            0..=MAX_OUTPUT => Ok(()),
            _ => Err(io::Error::new(ErrorKind::InvalidData, "the command printed too much")),
        })
    }

    /// Like [`Connection::run`], but calls `hear` with the output as it arrives; `hear` may take it, or return an error to
    /// stop. A script that is silent for `silence` counts as lost.
    pub(crate) fn run_heard(
        &self,
        script: &str,
        arguments: &[&str],
        input: &[u8],
        silence: Duration,
        hear: &mut dyn FnMut(&mut Vec<u8>) -> io::Result<()>,
    ) -> Result<Output, LinkError> {
        let command = shell_line(script, arguments);
        self.session.set_blocking(true);
        let mut channel = self.session.channel_session().map_err(lost)?;
        channel.exec(&command).map_err(lost)?;
        self.session.set_blocking(false);
        let mut exchange = Exchange { input, output: Vec::new(), errors: Vec::new(), eof_sent: false };
        let done = exchange.run(self, &mut channel, silence, hear);
        self.session.set_blocking(true);
        done.map_err(lost)?;
        channel.wait_close().map_err(lost)?;
        let signalled = channel.exit_signal().is_ok_and(|signal| signal.exit_signal.is_some());
        let status = if signalled { 255 } else { channel.exit_status().map_err(lost)? };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Output { status, text: text(&exchange.output), errors: text(&exchange.errors) })
    }
}

/// A command line for the account's shell that runs a script with arguments in `sh`.
pub(super) fn shell_line(script: &str, arguments: &[&str]) -> String {
    let mut command = format!("exec sh -c {} sh", quoted(script));
    for argument in arguments {
        command.push(' ');
        command.push_str(&quoted(argument));
    }
    command
}

/// A word quoted for a shell, so that no character in it has a special meaning.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Transfers input and both outputs at the same time, because a host whose output is not read stops reading.
struct Exchange<'a> {
    input: &'a [u8],
    output: Vec<u8>,
    errors: Vec<u8>,
    eof_sent: bool,
}

impl Exchange<'_> {
    fn run(
        &mut self,
        connection: &Connection,
        channel: &mut ssh2::Channel,
        silence: Duration,
        hear: &mut dyn FnMut(&mut Vec<u8>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut moved = Instant::now();
        loop {
            let before = (self.input.len(), self.output.len(), self.errors.len());
            self.step(channel)?;
            let has_moved = (self.input.len(), self.output.len(), self.errors.len()) != before;
            hear(&mut self.output)?;
            if channel.eof() {
                return Ok(());
            }
            if has_moved {
                moved = Instant::now();
            } else if moved.elapsed() > silence {
                return Err(io::Error::new(ErrorKind::TimedOut, "the command neither ended nor printed anything"));
            }
            wait(&connection.session, None::<&std::net::TcpStream>, Duration::from_millis(200))?;
        }
    }

    fn step(&mut self, channel: &mut ssh2::Channel) -> io::Result<()> {
        while !self.input.is_empty() {
            match ready(channel.write(self.input))? {
                Some(n) if n > 0 => self.input = &self.input[n..],
                _ => break,
            }
        }
        if self.input.is_empty() && !self.eof_sent {
            self.eof_sent = ready(channel.send_eof().map_err(io::Error::from))?.is_some();
        }
        read_some(channel, &mut self.output)?;
        read_some(&mut channel.stderr(), &mut self.errors)?;
        if self.errors.len() > MAX_OUTPUT {
            return Err(io::Error::new(ErrorKind::InvalidData, "the command printed too much"));
        }
        Ok(())
    }
}

/// Reads available output, up to a limit, after which `hear` can take it.
fn read_some(stream: &mut impl Read, into: &mut Vec<u8>) -> io::Result<()> {
    let most = into.len() + MAX_OUTPUT;
    let mut buffer = [0; 16 << 10];
    while into.len() < most
        && let Some(n) = ready(stream.read(&mut buffer))?
        && n > 0
    {
        into.extend_from_slice(&buffer[..n]);
    }
    Ok(())
}

/// `None` if the stream would block.
pub(super) fn ready<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// The control is the same words without quotes: the shell acts on them.
    #[test]
    fn words_reach_the_script_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let hostile = ["; touch x", "$(touch x)", "`touch x`", "a b", "'", "\"", "\\", "*", "~", "-n", "", "é\t&|<>#!"];
        let line = shell_line("printf '%s\\n' \"$@\"", &hostile);
        let shell = |line: &str| Command::new("sh").args(["-c", line]).current_dir(folder.path()).output().unwrap();
        let said = String::from_utf8(shell(&line).stdout).unwrap();
        assert_eq!(said.lines().collect::<Vec<_>>(), hostile);
        assert!(!folder.path().join("x").exists());
        shell(&format!("true {}", hostile[0]));
        assert!(folder.path().join("x").exists());
    }
}
