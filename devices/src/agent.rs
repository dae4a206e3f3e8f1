//! The host side of the agent protocol, over any transport.

mod device;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nasprof_profiler::protocol::checked::check_stored;
use nasprof_profiler::protocol::numbered::Numbered;
use nasprof_profiler::protocol::{
    ClockRequest, Device, DeviceError, Hello, PROTOCOL_VERSION, ProtocolError, Reply, Request, Restored,
};

use crate::clock_copy::ClockCopy;
use crate::error::{ClockStep, LinkError};
use crate::power_mode::PowerMode;
use crate::words::{start, words};

/// Maximum wait for a reply. No single request takes this long, so an agent that is silent for longer counts as dead.
const SILENCE: Duration = Duration::from_secs(300);
/// Maximum wait for the greeting: a board may first load libtorch from a slow card.
const GREETING: Duration = Duration::from_secs(120);
/// Maximum wait for restored clocks: a board's programs take some seconds.
const RESTORING: Duration = Duration::from_secs(30);

/// Carries lines to and from a fresh agent. The agent ends when this is dropped.
pub(crate) trait Pipe {
    /// Sends a line; adds the newline.
    fn send(&mut self, line: &str) -> Result<(), LinkError>;
    /// The next line of the agent.
    fn receive(&mut self, patience: Duration) -> Result<String, LinkError>;
    /// Runs a shell command while the agent has no open request. Returns exit code and output, stderr included.
    fn run(&mut self, command: &str) -> Result<(i32, String), LinkError>;
}

/// Additions of the device file to an agent's replies.
#[derive(Debug, Clone, Default)]
pub(crate) struct Additions {
    /// Celsius above which the device is too hot.
    pub(crate) temperature_limit: Option<f64>,
    /// Facts that the agent cannot know.
    pub(crate) facts: BTreeMap<String, String>,
    /// Where to store the original clocks before they are locked.
    pub(crate) clock_copy: Option<ClockCopy>,
    /// Checked again after the clocks are locked, because that may set it.
    pub(crate) power_mode: Option<PowerMode>,
}

/// A running agent.
pub(crate) struct AgentClient {
    pipe: Box<dyn Pipe>,
    hello: Hello,
    additions: Additions,
    /// Whether the clocks are, or may be, locked.
    locks: bool,
    /// Device and program, for messages.
    name: String,
    /// Number of the last request.
    number: u64,
}

impl AgentClient {
    /// Reads and checks the agent's greeting. `name` is its device and program.
    pub(crate) fn greet(mut pipe: Box<dyn Pipe>, additions: Additions, name: &str) -> Result<Self, LinkError> {
        let hello = greeting(&mut *pipe).map_err(|error| error.of_agent(name))?;
        check_version(hello.protocol, &hello.version)?;
        Ok(Self { pipe, hello, additions, locks: false, name: name.to_owned(), number: 0 })
    }

    /// Back ends that the agent was built with.
    pub(crate) fn backends(&self) -> &[String] {
        &self.hello.backends
    }

    /// Restores clocks that an earlier measurement left changed, from the host's copy. Returns whether they were changed.
    pub(crate) fn restore_clocks(&mut self) -> Result<bool, LinkError> {
        let Some(copy) = self.additions.clock_copy.clone() else { return Ok(false) };
        let Some(stored) = copy.read()? else { return Ok(false) };
        let restored = match self.ask(&Request::RestoreClocks { copy: stored }) {
            Ok(Reply::ClocksRestored { restored }) => restored,
            Ok(other) => return Err(self.unexpected(&other).into()),
            Err(DeviceError::Lost(problem)) => return Err(LinkError::Lost(problem)),
            Err(DeviceError::Protocol(error)) => return Err(error.into()),
            Err(error) => return Err(copy.wrong(ClockStep::Restore, error)),
        };
        if restored != Restored::Held {
            copy.forget();
        }
        Ok(restored == Restored::Now)
    }

    /// Stores a copy of the current clocks and returns its name.
    fn keep_clocks(&mut self, request: &ClockRequest) -> Result<String, DeviceError> {
        let copy = self.additions.clock_copy.clone();
        let copy =
            copy.ok_or_else(|| DeviceError::Refused("clocks: no folder for the copy of the settings".to_owned()))?;
        // An existing copy comes from a lost agent. The clocks are restored first, because the locked clocks are not the
        // original ones.
        self.restore_clocks()?;
        let mut stored = self.clocks(request)?;
        check_stored(request, &stored).map_err(|problem| self.broke(problem))?;
        stored.name = unique();
        copy.keep(&stored)?;
        Ok(stored.name)
    }

    /// Ends the agent, and removes the copy of its clocks if it reports that they are restored.
    fn release_clocks(&mut self) {
        let back = matches!(self.ask_within(RESTORING, &Request::Bye), Ok(Reply::Bye));
        if let (true, Some(copy)) = (back, &self.additions.clock_copy) {
            copy.forget();
        }
    }

    fn ask(&mut self, request: &Request) -> Result<Reply, DeviceError> {
        self.ask_within(SILENCE, request)
    }

    /// Sends a request and returns its reply. A reply with another number breaks the protocol.
    fn ask_within(&mut self, patience: Duration, request: &Request) -> Result<Reply, DeviceError> {
        self.number += 1;
        let request = Numbered { id: self.number, message: request };
        let line = serde_json::to_string(&request).map_err(|e| DeviceError::Refused(e.to_string()))?;
        let answer = self.pipe.send(&line).and_then(|()| self.pipe.receive(patience));
        let line = answer.map_err(|error| error.of_agent(&self.name))?;
        let reply: Numbered<Reply> = serde_json::from_str(&line)
            .map_err(|e| self.broke(format!("cannot read its line `{}`: {e}", start(&line))))?;
        if reply.id != self.number {
            return Err(self.broke(format!("it answered request {} in place of {}", reply.id, self.number)));
        }
        match reply.message {
            Reply::Failed { error } => Err(DeviceError::Refused(words(&error))),
            reply => Ok(reply),
        }
    }

    fn unexpected(&self, reply: &Reply) -> ProtocolError {
        self.error(format!("unexpected answer {}", start(&format!("{reply:?}"))))
    }

    fn broke(&self, problem: String) -> DeviceError {
        DeviceError::Protocol(self.error(problem))
    }

    fn error(&self, problem: String) -> ProtocolError {
        ProtocolError { agent: self.name.clone(), problem }
    }
}

/// The agent's first line.
fn greeting(pipe: &mut dyn Pipe) -> Result<Hello, LinkError> {
    let line = pipe.receive(GREETING)?;
    match serde_json::from_str(&line) {
        Ok(Reply::Hello(hello)) => Ok(hello),
        Ok(other) => Err(LinkError::protocol(format!("unexpected greeting {}", start(&format!("{other:?}"))))),
        Err(e) => Err(LinkError::protocol(format!("cannot read its line `{}`: {e}", start(&line)))),
    }
}

/// Refuses an agent of another version or protocol than this program's.
pub(crate) fn check_version(protocol: u32, version: &str) -> Result<(), LinkError> {
    let ours = env!("CARGO_PKG_VERSION");
    if protocol == PROTOCOL_VERSION && version == ours {
        return Ok(());
    }
    Err(LinkError::Version {
        agent: format!("{} (protocol {protocol})", start(version)),
        host: format!("{ours} (protocol {PROTOCOL_VERSION})"),
    })
}

impl Drop for AgentClient {
    fn drop(&mut self) {
        if self.locks {
            self.release_clocks();
        }
    }
}

/// A name that no other copy has.
fn unique() -> String {
    let random = std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    format!("{}-{now}-{}", std::process::id(), random.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nasprof_profiler::protocol::Probe;
    use nasprof_profiler::protocol::numbered::number_of;
    use std::collections::VecDeque;

    /// An agent that says what it is told to, whatever it is asked; `ID` is the number of the request.
    struct Script(VecDeque<String>, u64);

    impl Pipe for Script {
        fn send(&mut self, line: &str) -> Result<(), LinkError> {
            self.1 = number_of(line);
            Ok(())
        }

        fn run(&mut self, _: &str) -> Result<(i32, String), LinkError> {
            Ok((0, String::new()))
        }

        fn receive(&mut self, _: Duration) -> Result<String, LinkError> {
            let line = self.0.pop_front().ok_or_else(|| LinkError::Lost("the script ended".to_owned()))?;
            Ok(line.replace("ID", &self.1.to_string()))
        }
    }

    fn hello(protocol: u32, version: &str) -> String {
        format!("{{\"reply\":\"hello\",\"protocol\":{protocol},\"version\":\"{version}\",\"backends\":[]}}")
    }

    fn greet(lines: &[&str], additions: Additions) -> Result<AgentClient, LinkError> {
        let script = lines.iter().map(|&l| l.to_owned()).collect();
        AgentClient::greet(Box::new(Script(script, 0)), additions, AGENT)
    }

    const AGENT: &str = "of `board` (program)";

    fn ours() -> String {
        hello(PROTOCOL_VERSION, env!("CARGO_PKG_VERSION"))
    }

    #[test]
    fn another_version_is_refused() {
        greet(&[&ours()], Additions::default()).unwrap();
        for other in [hello(PROTOCOL_VERSION + 1, env!("CARGO_PKG_VERSION")), hello(PROTOCOL_VERSION, "9.9.9")] {
            let error = greet(&[&other], Additions::default()).err().unwrap();
            assert!(matches!(error, LinkError::Version { .. }), "{error}");
        }
    }

    /// A board may be hostile: what it says is printed, and must not be obeyed by the terminal or pass for our hint.
    #[test]
    fn an_agents_words_are_only_words() {
        let version = hello(PROTOCOL_VERSION, &format!("\\u001b[31m{}", "9".repeat(1_000_000)));
        let error = greet(&[&version], Additions::default()).err().unwrap().to_string();
        assert!(error.contains("[31m999") && !error.contains('\u{1b}') && error.len() < 400, "{error}");
        let failed = "{\"id\":ID,\"reply\":\"failed\",\"error\":\"no memory\\nhint: \\u001b[2Jrm\"}";
        let mut agent = greet(&[&ours(), failed], Additions::default()).ok().unwrap();
        assert_eq!(agent.canary().unwrap_err().to_string(), "no memory hint:  [2Jrm");
    }

    #[test]
    fn nonsense_is_told_from_a_refusal_and_from_a_lost_agent() {
        let long = "x".repeat(1_000_000);
        for line in ["", "[]", "Welcome to board!", "{\"reply\":\"bye\"}", &long] {
            let error = greet(&[line], Additions::default()).err().unwrap();
            assert!(matches!(error, LinkError::Protocol(_)) && error.to_string().len() < 400, "{error}");
        }
        let mut agent = greet(
            &[&ours(), "{\"id\":ID,\"reply\":\"failed\",\"error\":\"no\"}", "{\"id\":ID,\"reply\":\"bye\"}", "\\"],
            Additions::default(),
        );
        let agent = agent.as_mut().ok().unwrap();
        assert!(matches!(agent.canary(), Err(DeviceError::Refused(_))));
        assert!(matches!(agent.canary(), Err(DeviceError::Protocol(_))));
        assert!(matches!(agent.canary(), Err(DeviceError::Protocol(_))));
        assert!(matches!(agent.canary(), Err(DeviceError::Lost(_))));
    }

    /// One reply too many would be taken for the next one's, and so on to the end.
    #[test]
    fn a_reply_under_another_number_is_refused_and_its_agent_is_named() {
        let canary = |id: &str| format!("{{\"id\":{id},\"reply\":\"canary\",\"compute_ns\":[9],\"memory_ns\":[9]}}");
        let talk = |replies: &[String]| {
            let lines: Vec<&str> = replies.iter().map(String::as_str).collect();
            let mut agent = greet(&[&[ours().as_str()], &lines[..]].concat(), Additions::default()).ok().unwrap();
            replies.iter().map(|_| agent.canary()).collect::<Vec<_>>()
        };
        // A control: the number of the request.
        assert!(talk(&[canary("ID"), canary("2"), canary("ID")]).iter().all(Result::is_ok));
        for (replies, expected) in [
            (vec![canary("1"), canary("1")], "it answered request 1 in place of 2"),
            (vec![canary("ID"), canary("3")], "it answered request 3 in place of 2"),
            (vec![canary("ID"), canary("0")], "it answered request 0 in place of 2"),
            (vec![canary("ID"), canary("2").replace("\"id\":2,", "")], "missing field `id`"),
        ] {
            let error = talk(&replies).pop().unwrap().unwrap_err();
            assert!(matches!(&error, DeviceError::Protocol(error) if error.agent == AGENT), "{error}");
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn the_device_files_temperature_limit_goes_over_the_agents() {
        let said =
            |probe: &str| format!("{{\"id\":ID,\"reply\":\"probes\",\"values\":{{\"temperature_celsius\":{probe}}}}}");
        for (probe, limit, expected) in [
            ("{\"ok\":70.0}", Some(60.0), Probe::Bad(70.0)),
            ("{\"bad\":90.0}", Some(95.0), Probe::Ok(90.0)),
            ("\"not_observable\"", Some(60.0), Probe::NotObservable),
            ("{\"bad\":90.0}", None, Probe::Bad(90.0)),
        ] {
            let additions = Additions { temperature_limit: limit, ..Additions::default() };
            let mut agent = greet(&[&ours(), &said(probe)], additions).ok().unwrap();
            assert_eq!(agent.probe().unwrap().values["temperature_celsius"], expected);
        }
    }
}
