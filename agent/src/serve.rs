//! The agent's loop: a request line in, a reply line out, until the input ends.

use std::io::{self, BufRead, Write};
use std::path::Path;
use std::time::Duration;

use nasprof_graph::Graph;
use nasprof_profiler::protocol::numbered::{Numbered, number_of};
use nasprof_profiler::protocol::{Device, DeviceError, Hello, PROTOCOL_VERSION, Reply, Request, read_line};
use serde::Serialize;

use crate::clocks::{self, ClockError};

/// Serves requests until [`Request::Bye`] or the end of the input. `open` creates the device of a setup; the clocks are
/// those of the machine below `root`.
///
/// # Errors
/// If a pipe breaks, or the device is lost. An unreadable request gets a reply and is not an error.
pub fn serve(
    mut input: impl BufRead,
    mut output: impl Write,
    backends: Vec<String>,
    root: &Path,
    open: impl Fn(&str) -> Result<Box<dyn Device>, String>,
) -> io::Result<()> {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    send(&mut output, &Reply::Hello(Hello { protocol: PROTOCOL_VERSION, version, backends }))?;
    let mut device: Option<Box<dyn Device>> = None;
    while let Some(line) = read_line(&mut input)? {
        let (id, message) = match serde_json::from_str(&line) {
            Ok(Numbered { id, message: Request::Bye }) => {
                // Dropping the device restores its clocks before `bye` is sent.
                drop(device.take());
                return send(&mut output, &Numbered { id, message: farewell(root) });
            }
            Ok(Numbered { id, message: request }) => match answer(request, &mut device, root, &open) {
                // A lost device stays lost for all requests of this process, so no single request is to blame.
                Err(DeviceError::Lost(words)) => return Err(io::Error::other(words)),
                result => (id, result.unwrap_or_else(|error| Reply::Failed { error: error.to_string() })),
            },
            Err(error) => (number_of(&line), Reply::Failed { error: format!("cannot read the request: {error}") }),
        };
        send(&mut output, &Numbered { id, message })?;
    }
    Ok(())
}

fn farewell(root: &Path) -> Reply {
    if clocks::is_left(root) {
        return Reply::Failed { error: "the clocks are not restored yet".to_owned() };
    }
    Reply::Bye
}

fn answer(
    request: Request,
    device: &mut Option<Box<dyn Device>>,
    root: &Path,
    open: &impl Fn(&str) -> Result<Box<dyn Device>, String>,
) -> Result<Reply, DeviceError> {
    let refused = |error: ClockError| DeviceError::Refused(format!("clocks: {error}"));
    match (request, device) {
        (Request::Clocks { how }, _) => {
            clocks::look(root, &how).map(|stored| Reply::Clocks { stored }).map_err(refused)
        }
        (Request::RestoreClocks { copy }, _) => {
            clocks::restore(root, &copy).map(|restored| Reply::ClocksRestored { restored }).map_err(refused)
        }
        (Request::Configure(_), Some(_)) => Err(DeviceError::Refused("this agent is already configured".to_owned())),
        // A device whose setup failed is dropped, because nothing may run on it.
        (Request::Configure(setup), none) => {
            open(&setup.backend).map_err(DeviceError::Refused).and_then(|mut opened| {
                let fingerprint = opened.configure(&setup)?;
                *none = Some(opened);
                Ok(Reply::Configured(fingerprint))
            })
        }
        (_, None) => Err(DeviceError::Refused("the first request must be `configure`".to_owned())),
        (Request::Load { workload, graph }, Some(d)) => {
            checked(graph).and_then(|graph| d.load(workload, &graph)).map(Reply::Loaded)
        }
        (Request::OpenModel(request), Some(d)) => d.open_model(&request).map(Reply::ModelOpened),
        (Request::Visit(request), Some(d)) => d.visit(&request).map(Reply::Visited),
        (Request::Canary, Some(d)) => d.canary().map(Reply::Canary),
        (Request::PassTime { nanoseconds }, Some(d)) => {
            d.pass_time(Duration::from_nanos(nanoseconds)).map(|()| Reply::TimePassed)
        }
        (Request::Probe, Some(d)) => d.probe().map(Reply::Probes),
        (Request::Memory { graph }, Some(d)) => checked(graph).and_then(|graph| d.memory(&graph)).map(Reply::Memory),
        (Request::Energy { graph }, Some(d)) => checked(graph).and_then(|graph| d.energy(&graph)).map(Reply::Energy),
        (Request::Bye, Some(_)) => Ok(Reply::Bye),
    }
}

fn checked(graph: Graph) -> Result<Graph, DeviceError> {
    graph.checked().map_err(|e| DeviceError::Refused(e.to_string()))
}

fn send(output: &mut impl Write, reply: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *output, reply)?;
    output.write_all(b"\n")?;
    output.flush()
}
