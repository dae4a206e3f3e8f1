//! The host's end of the agent protocol, over a child process.

use std::io::{BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{io, thread};

use std::os::unix::process::CommandExt;

use nasprof_graph::Graph;
use nasprof_profiler::clocks::Setting;
use nasprof_profiler::protocol::{
    Canary, Device, DeviceError, Fingerprint, Hello, Loaded, Memory, PROTOCOL_VERSION, Probes, Reply, Request, Setup,
    Visit, VisitRequest,
};
use nasprof_profiler::serve::read_line;

/// No single request takes this long; an agent silent for longer is taken for dead.
const SILENCE: Duration = Duration::from_secs(300);
/// How long an agent may take to end after it was told to.
const FAREWELL: Duration = Duration::from_secs(5);
/// Bytes of the agent's error output kept for messages.
const KEPT_STDERR: usize = 4096;

/// A running agent. It ends when this is dropped, and by itself when this process dies (its input ends).
pub struct AgentClient {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<io::Result<String>>,
    stderr: Arc<Mutex<String>>,
    hello: Hello,
}

impl AgentClient {
    /// Starts an agent program on this machine.
    ///
    /// # Errors
    /// If it does not start, does not greet, or speaks another version of the protocol.
    pub fn spawn(program: &Path) -> Result<Self, DeviceError> {
        let lost = |e: io::Error| DeviceError::Lost(format!("{}: {e}", program.display()));
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C in the terminal is for us: the visit in flight is still taken in.
            .process_group(0)
            .spawn()
            .map_err(lost)?;
        let input = child.stdin.take();
        let (sender, lines) = channel();
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
        let stderr = Arc::new(Mutex::new(String::new()));
        if let Some(output) = child.stderr.take() {
            let kept = Arc::clone(&stderr);
            thread::spawn(move || {
                let mut output = BufReader::new(output);
                while let Ok(Some(line)) = read_line(&mut output) {
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    if kept.len() + line.len() < KEPT_STDERR {
                        kept.push_str(&line);
                        kept.push('\n');
                    }
                }
            });
        }
        let hello = Hello { protocol: 0, version: String::new(), backends: Vec::new() };
        let mut client = Self { child, input, lines, stderr, hello };
        match client.receive()? {
            Reply::Hello(hello) if hello.protocol == PROTOCOL_VERSION => {
                client.hello = hello;
                Ok(client)
            }
            Reply::Hello(hello) => Err(DeviceError::Protocol(format!(
                "the agent speaks version {} of the protocol, this program {PROTOCOL_VERSION}; install both from one build",
                hello.protocol
            ))),
            other => Err(unexpected(&other)),
        }
    }

    /// Who the agent said it is.
    #[must_use]
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    fn ask(&mut self, request: &Request) -> Result<Reply, DeviceError> {
        let mut line = serde_json::to_vec(request).map_err(|e| DeviceError::Protocol(e.to_string()))?;
        line.push(b'\n');
        let sent = self.input.as_mut().map(|input| input.write_all(&line).and_then(|()| input.flush()));
        if !matches!(sent, Some(Ok(()))) {
            return Err(self.lost("it does not read"));
        }
        match self.receive()? {
            Reply::Failed { error } => Err(DeviceError::Refused(error)),
            reply => Ok(reply),
        }
    }

    fn receive(&mut self) -> Result<Reply, DeviceError> {
        match self.lines.recv_timeout(SILENCE) {
            Ok(Ok(line)) => serde_json::from_str(&line).map_err(|e| {
                let start: String = line.chars().take(80).collect();
                DeviceError::Protocol(format!("cannot read its line `{start}`: {e}"))
            }),
            Ok(Err(e)) => Err(DeviceError::Protocol(e.to_string())),
            Err(RecvTimeoutError::Timeout) => Err(self.lost("it was silent for five minutes")),
            Err(RecvTimeoutError::Disconnected) => Err(self.lost("the agent ended")),
        }
    }

    fn lost(&mut self, what: &str) -> DeviceError {
        // What it wrote last often says why.
        thread::sleep(Duration::from_millis(50));
        let status = match self.child.try_wait() {
            Ok(Some(status)) => format!(" ({status})"),
            _ => String::new(),
        };
        let stderr = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        let words = stderr.lines().last().map_or_else(String::new, |line| format!(": {line}"));
        DeviceError::Lost(format!("{what}{status}{words}"))
    }
}

impl Drop for AgentClient {
    fn drop(&mut self) {
        // The end of its input ends the agent; one that does not listen is killed.
        self.input = None;
        let step = Duration::from_millis(10);
        let mut waited = Duration::ZERO;
        while waited < FAREWELL {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(step);
            waited += step;
        }
        // Errors mean that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn unexpected(reply: &Reply) -> DeviceError {
    let text: String = format!("{reply:?}").chars().take(80).collect();
    DeviceError::Protocol(format!("unexpected answer {text}"))
}

/// Asks, and takes the one kind of answer that fits.
macro_rules! ask {
    ($client:expr, $request:expr, $answer:path) => {
        match $client.ask(&$request)? {
            $answer(answer) => Ok(answer),
            other => Err(unexpected(&other)),
        }
    };
}

impl Device for AgentClient {
    fn configure(&mut self, setup: &Setup) -> Result<Fingerprint, DeviceError> {
        ask!(self, Request::Configure(setup.clone()), Reply::Configured)
    }

    fn load(&mut self, unit: u32, graph: &Graph) -> Result<Loaded, DeviceError> {
        ask!(self, Request::Load { unit, graph: graph.clone() }, Reply::Loaded)
    }

    fn visit(&mut self, request: &VisitRequest) -> Result<Visit, DeviceError> {
        ask!(self, Request::Visit(request.clone()), Reply::Visited)
    }

    fn canary(&mut self) -> Result<Canary, DeviceError> {
        ask!(self, Request::Canary, Reply::Canary)
    }

    fn probe(&mut self) -> Result<Probes, DeviceError> {
        ask!(self, Request::Probe, Reply::Probes)
    }

    fn memory(&mut self, graph: &Graph) -> Result<Memory, DeviceError> {
        ask!(self, Request::Memory { graph: graph.clone() }, Reply::Memory)
    }

    fn clocks(&mut self) -> Result<Vec<Setting>, DeviceError> {
        match self.ask(&Request::Clocks)? {
            Reply::Clocks { settings } => Ok(settings),
            other => Err(unexpected(&other)),
        }
    }
}
