//! The host's end of the agent protocol, whatever carries its lines.

use std::collections::BTreeMap;
use std::time::Duration;

use nasprof_graph::Graph;
use nasprof_profiler::clocks::Setting;
use nasprof_profiler::protocol::{
    Canary, Device, DeviceError, Energy, Fingerprint, Hello, Loaded, Memory, PROTOCOL_VERSION, Probe, Probes, Reply,
    Request, Setup, Visit, VisitRequest,
};

use crate::error::LinkError;

/// No single request takes this long; an agent silent for longer is taken for dead.
const SILENCE: Duration = Duration::from_secs(300);

/// Carries lines to and from a fresh agent, which ends when this is dropped.
pub(crate) trait Pipe {
    /// Sends a line; its end is added.
    fn send(&mut self, line: &str) -> Result<(), LinkError>;
    /// The next line of the agent.
    fn receive(&mut self, patience: Duration) -> Result<String, LinkError>;
}

/// What the device file adds to what an agent says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Additions {
    /// Celsius above which the device is too hot.
    pub(crate) temperature_limit: Option<f64>,
    /// Facts that the agent cannot know.
    pub(crate) facts: BTreeMap<String, String>,
}

/// A running agent.
pub(crate) struct AgentClient {
    pipe: Box<dyn Pipe>,
    hello: Hello,
    additions: Additions,
}

impl AgentClient {
    /// Takes the agent's greeting.
    pub(crate) fn greet(mut pipe: Box<dyn Pipe>, additions: Additions) -> Result<Self, LinkError> {
        let line = pipe.receive(SILENCE)?;
        let hello = match serde_json::from_str(&line) {
            Ok(Reply::Hello(hello)) => hello,
            Ok(other) => {
                return Err(LinkError::Protocol(format!("unexpected greeting {}", start(&format!("{other:?}")))));
            }
            Err(e) => return Err(LinkError::Protocol(format!("cannot read its line `{}`: {e}", start(&line)))),
        };
        check_version(hello.protocol, &hello.version)?;
        Ok(Self { pipe, hello, additions })
    }

    /// Back ends that the agent was built with.
    pub(crate) fn backends(&self) -> &[String] {
        &self.hello.backends
    }

    fn ask(&mut self, request: &Request) -> Result<Reply, DeviceError> {
        let line = serde_json::to_string(request).map_err(|e| DeviceError::Protocol(e.to_string()))?;
        self.pipe.send(&line)?;
        let line = self.pipe.receive(SILENCE)?;
        match serde_json::from_str(&line) {
            Ok(Reply::Failed { error }) => Err(DeviceError::Refused(error)),
            Ok(reply) => Ok(reply),
            Err(e) => Err(DeviceError::Protocol(format!("cannot read its line `{}`: {e}", start(&line)))),
        }
    }
}

/// Refuses an agent that is not of this program's build.
pub(crate) fn check_version(protocol: u32, version: &str) -> Result<(), LinkError> {
    let ours = env!("CARGO_PKG_VERSION");
    if protocol == PROTOCOL_VERSION && version == ours {
        return Ok(());
    }
    Err(LinkError::Version {
        agent: format!("{version} (protocol {protocol})"),
        host: format!("{ours} (protocol {PROTOCOL_VERSION})"),
    })
}

/// The start of a text, for messages.
pub(crate) fn start(text: &str) -> String {
    text.chars().take(80).collect::<String>().escape_debug().to_string()
}

fn unexpected(reply: &Reply) -> DeviceError {
    DeviceError::Protocol(format!("unexpected answer {}", start(&format!("{reply:?}"))))
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
        let mut fingerprint: Fingerprint = ask!(self, Request::Configure(setup.clone()), Reply::Configured)?;
        fingerprint.facts.extend(self.additions.facts.clone());
        Ok(fingerprint)
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
        let mut probes: Probes = ask!(self, Request::Probe, Reply::Probes)?;
        if let (Some(limit), Some(probe)) =
            (self.additions.temperature_limit, probes.values.get_mut("temperature_celsius"))
        {
            *probe = match *probe {
                Probe::Ok(value) | Probe::Bad(value) if value <= limit => Probe::Ok(value),
                Probe::Ok(value) | Probe::Bad(value) => Probe::Bad(value),
                Probe::NotObservable => Probe::NotObservable,
            };
        }
        Ok(probes)
    }

    fn memory(&mut self, graph: &Graph) -> Result<Memory, DeviceError> {
        ask!(self, Request::Memory { graph: graph.clone() }, Reply::Memory)
    }

    fn energy(&mut self, graph: &Graph) -> Result<Energy, DeviceError> {
        ask!(self, Request::Energy { graph: graph.clone() }, Reply::Energy)
    }

    fn clocks(&mut self) -> Result<Vec<Setting>, DeviceError> {
        match self.ask(&Request::Clocks)? {
            Reply::Clocks { settings } => Ok(settings),
            other => Err(unexpected(&other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// An agent that says what it is told to, whatever it is asked.
    struct Script(VecDeque<String>);

    impl Pipe for Script {
        fn send(&mut self, _: &str) -> Result<(), LinkError> {
            Ok(())
        }

        fn receive(&mut self, _: Duration) -> Result<String, LinkError> {
            self.0.pop_front().ok_or_else(|| LinkError::Lost("the script ended".to_owned()))
        }
    }

    fn hello(protocol: u32, version: &str) -> String {
        format!("{{\"reply\":\"hello\",\"protocol\":{protocol},\"version\":\"{version}\",\"backends\":[]}}")
    }

    fn greet(lines: &[&str], additions: Additions) -> Result<AgentClient, LinkError> {
        let script = lines.iter().map(|&l| l.to_owned()).collect();
        AgentClient::greet(Box::new(Script(script)), additions)
    }

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

    #[test]
    fn nonsense_is_told_from_a_refusal_and_from_a_lost_agent() {
        let long = "x".repeat(1_000_000);
        for line in ["", "[]", "Welcome to board!", "{\"reply\":\"bye\"}", &long] {
            let error = greet(&[line], Additions::default()).err().unwrap();
            assert!(matches!(error, LinkError::Protocol(_)) && error.to_string().len() < 400, "{error}");
        }
        let mut agent = greet(
            &[&ours(), "{\"reply\":\"failed\",\"error\":\"no\"}", "{\"reply\":\"bye\"}", "\\"],
            Additions::default(),
        );
        let agent = agent.as_mut().ok().unwrap();
        assert!(matches!(agent.canary(), Err(DeviceError::Refused(_))));
        assert!(matches!(agent.canary(), Err(DeviceError::Protocol(_))));
        assert!(matches!(agent.canary(), Err(DeviceError::Protocol(_))));
        assert!(matches!(agent.canary(), Err(DeviceError::Lost(_))));
    }

    #[test]
    fn the_device_files_temperature_limit_goes_over_the_agents() {
        let said = |probe: &str| format!("{{\"reply\":\"probes\",\"values\":{{\"temperature_celsius\":{probe}}}}}");
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
