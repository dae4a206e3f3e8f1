//! A long exchange of lines with a remote program. A separate thread carries the lines, sends heartbeats and notices when
//! none come back.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use nasprof_profiler::protocol::{HEARTBEAT, MAX_LINE_BYTES};

use super::command::{ready, shell_line};
use super::{Connection, wait};
use crate::error::{LinkError, lost};
use crate::words::{last_words, words};

/// Maximum number of unread replies; more break the protocol.
const MAX_UNREAD: usize = 64;

/// Bytes of stderr that are kept for messages.
const KEPT_ERRORS: usize = 4096;

/// The host's end. Dropping it ends the exchange and the program's input, and thus the program.
pub(crate) struct Stream {
    outgoing: Option<Sender<Vec<u8>>>,
    /// A byte written here wakes the thread.
    wake: UnixStream,
    incoming: Receiver<Result<String, LinkError>>,
    carrier: Option<thread::JoinHandle<()>>,
}

impl Stream {
    /// Starts a script as the remote program. `heartbeat` is the line to send as a heartbeat. The link counts as lost when
    /// nothing comes back for `silence`.
    pub(crate) fn start(
        connection: Connection,
        script: &str,
        arguments: &[&str],
        heartbeat: String,
        silence: Duration,
    ) -> Result<Self, LinkError> {
        let mut channel = connection.session.channel_session().map_err(lost)?;
        channel.exec(&shell_line(script, arguments)).map_err(lost)?;
        connection.session.set_blocking(false);
        let (wake, woken) = UnixStream::pair().map_err(lost)?;
        wake.set_nonblocking(true).and_then(|()| woken.set_nonblocking(true)).map_err(lost)?;
        let (outgoing, requests) = self::channel();
        let (replies, incoming) = sync_channel(MAX_UNREAD);
        let carrier = thread::spawn(move || {
            let mut carrier = Carrier {
                connection,
                channel,
                woken,
                requests,
                replies,
                heartbeat,
                silence,
                waiting: Vec::new(),
                partial: Vec::new(),
                errors: Vec::new(),
            };
            if let Err(error) = carrier.carry() {
                // A full queue was already reported as an error.
                let _ = carrier.replies.try_send(Err(error));
            }
        });
        Ok(Self { outgoing: Some(outgoing), wake, incoming, carrier: Some(carrier) })
    }

    /// Queues a line to send; does not wait.
    pub(crate) fn send(&mut self, line: &str) -> Result<(), LinkError> {
        let mut bytes = line.as_bytes().to_vec();
        bytes.push(b'\n');
        let sent = self.outgoing.as_ref().is_some_and(|outgoing| outgoing.send(bytes).is_ok());
        self.wake();
        if sent { Ok(()) } else { Err(self.end()) }
    }

    /// The next line.
    pub(crate) fn receive(&mut self, patience: Duration) -> Result<String, LinkError> {
        match self.incoming.recv_timeout(patience) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => Err(LinkError::Lost(format!("no answer for {} s", patience.as_secs()))),
            Err(RecvTimeoutError::Disconnected) => Err(LinkError::Lost("the connection is closed".to_owned())),
        }
    }

    /// Why nothing can be sent any more: the last received error.
    fn end(&mut self) -> LinkError {
        let last = self.incoming.try_iter().find_map(Result::err);
        last.unwrap_or_else(|| LinkError::Lost("the connection is closed".to_owned()))
    }

    fn wake(&mut self) {
        // A full pipe wakes the thread too.
        let _ = self.wake.write(&[1]);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.outgoing = None;
        self.wake();
        if let Some(carrier) = self.carrier.take() {
            // The thread ends within the time limit of `farewell`.
            let _ = carrier.join();
        }
    }
}

struct Carrier {
    connection: Connection,
    channel: ssh2::Channel,
    woken: UnixStream,
    requests: Receiver<Vec<u8>>,
    replies: SyncSender<Result<String, LinkError>>,
    heartbeat: String,
    silence: Duration,
    /// Bytes not yet sent.
    waiting: Vec<u8>,
    /// Bytes of an incomplete line.
    partial: Vec<u8>,
    errors: Vec<u8>,
}

impl Carrier {
    /// Carries lines until this end closes the stream.
    fn carry(&mut self) -> Result<(), LinkError> {
        let mut heard = Instant::now();
        let mut beat = Instant::now();
        loop {
            let hung_up = self.take_requests();
            if beat.elapsed() >= HEARTBEAT {
                beat = Instant::now();
                self.waiting.extend_from_slice(self.heartbeat.as_bytes());
                self.waiting.push(b'\n');
            }
            self.write().map_err(lost)?;
            if hung_up {
                return self.farewell().map_err(lost);
            }
            if self.read()? {
                heard = Instant::now();
            } else if heard.elapsed() > self.silence {
                return Err(LinkError::Lost(format!("no heartbeat for {} s", self.silence.as_secs())));
            }
            if self.channel.eof() {
                return Err(self.ended());
            }
            let until_beat = HEARTBEAT.saturating_sub(beat.elapsed()).max(Duration::from_millis(1));
            wait(&self.connection.session, Some(&self.woken), until_beat).map_err(lost)?;
        }
    }

    /// Takes queued lines. Returns whether this end closed the stream.
    fn take_requests(&mut self) -> bool {
        let mut bytes = [0; 64];
        while matches!(self.woken.read(&mut bytes), Ok(n) if n == bytes.len()) {}
        loop {
            match self.requests.try_recv() {
                Ok(line) => self.waiting.extend(line),
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => return true,
            }
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let mut sent = 0;
        while sent < self.waiting.len() {
            match ready(self.channel.write(&self.waiting[sent..]))? {
                Some(n) if n > 0 => sent += n,
                _ => break,
            }
        }
        self.waiting.drain(..sent);
        Ok(())
    }

    /// Reads available data. Returns whether there was output on stdout.
    fn read(&mut self) -> Result<bool, LinkError> {
        let mut buffer = [0; 16 << 10];
        let mut any = false;
        while let Some(n) = ready(self.channel.read(&mut buffer)).map_err(lost)? {
            if n == 0 {
                break;
            }
            any = true;
            self.lines(&buffer[..n])?;
        }
        let mut stderr = self.channel.stderr();
        while let Some(n) = ready(stderr.read(&mut buffer)).map_err(lost)? {
            if n == 0 {
                break;
            }
            self.errors.extend_from_slice(&buffer[..n]);
            let surplus = self.errors.len().saturating_sub(KEPT_ERRORS);
            self.errors.drain(..surplus);
        }
        Ok(any)
    }

    fn lines(&mut self, mut bytes: &[u8]) -> Result<(), LinkError> {
        let broken = |what: &str| LinkError::protocol(what);
        while let Some(end) = bytes.iter().position(|&b| b == b'\n') {
            self.partial.extend_from_slice(&bytes[..end]);
            bytes = &bytes[end + 1..];
            let line = String::from_utf8(std::mem::take(&mut self.partial));
            let line = line.map_err(|_| broken("a line is not valid UTF-8"))?;
            // Heartbeats of the supervisor are not replies.
            if line != nasprof_profiler::protocol::ALIVE {
                self.replies.try_send(Ok(line)).map_err(|_| broken("it sent more than was requested"))?;
            }
        }
        self.partial.extend_from_slice(bytes);
        if self.partial.len() > MAX_LINE_BYTES { Err(broken("a line is longer than 64 MiB")) } else { Ok(()) }
    }

    /// The error for a program that ended by itself.
    fn ended(&mut self) -> LinkError {
        let errors = String::from_utf8_lossy(&self.errors);
        let words = last_words(&errors).map_or_else(String::new, |line| format!(": {}", words(line)));
        LinkError::Lost(format!("the agent's supervisor ended{words}"))
    }

    /// Ends the program's input and waits briefly for its end, so that the board is free afterwards.
    fn farewell(&mut self) -> io::Result<()> {
        let started = Instant::now();
        let mut buffer = [0; 16 << 10];
        let mut told = false;
        while started.elapsed() < Duration::from_secs(6) && !self.channel.eof() {
            self.write()?;
            if self.waiting.is_empty() && !told {
                told = ready(self.channel.send_eof().map_err(io::Error::from))?.is_some();
            }
            while ready(self.channel.read(&mut buffer))?.is_some_and(|n| n > 0) {}
            wait(&self.connection.session, None::<&UnixStream>, Duration::from_millis(100))?;
        }
        if self.channel.eof() { Ok(()) } else { Err(ErrorKind::TimedOut.into()) }
    }
}
