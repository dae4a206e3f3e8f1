//! `nasprof devices`.

use std::process::ExitCode;

use nasprof_base::text::columns;
use nasprof_devices::{
    CommandTable, DeviceFile, DeviceFileError, LibraryOrigin, LinkError, Milestone, Step as LinkStep, describe,
};
use nasprof_profiler::engine::busy_processes;
use nasprof_profiler::protocol::{DeviceError, Fingerprint, Probe, Probes};
use nasprof_profiler::synthetic;
use serde::Serialize;
use serde_json::json;

use super::table::{Tone, fit, paint, spare};
use super::{level, print, print_json, status};
use crate::cli::{ContextArgs, DevicesArgs, DevicesCommand};
use crate::device_hints::link_hint;
use crate::failure::{Exit, Failure};
use crate::interruption::heeded;
use crate::resolve::{self, target};

pub(super) fn run(args: &DevicesArgs) -> Result<ExitCode, Failure> {
    match args.command.as_ref().unwrap_or(&DevicesCommand::List) {
        DevicesCommand::List => list(args.json),
        DevicesCommand::Show { name } => show(name, args.json),
        DevicesCommand::Check { name, lut, space, settings } => {
            heeded()?;
            let code = Check { as_json: args.json, steps: Vec::new() }.run(name, &settings.set)?;
            if let Some(lut) = lut {
                level::check(name, &settings.set, lut, space.as_deref(), args.json)?;
            }
            Ok(code)
        }
    }
}

fn list(as_json: bool) -> Result<ExitCode, Failure> {
    let devices = resolve::known_devices();
    if as_json {
        let all: Vec<_> = devices.iter().map(|d| json!({"name": d.name, "description": d.description})).collect();
        print_json(&all)?;
        return Ok(ExitCode::SUCCESS);
    }
    let width = devices.iter().map(|device| columns(&device.name)).max().unwrap_or(0).min(40);
    for device in &devices {
        // Cut to the terminal, or to 80 columns where there is none.
        let line = format!("{}  {}", fit(&device.name, width), device.description);
        print(fit(&line, 80 + spare()).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints a device's file and its path.
fn show(name: &str, as_json: bool) -> Result<ExitCode, Failure> {
    if let Some(model) = name.strip_prefix("synthetic:") {
        let description = synthetic::description(model)
            .ok_or_else(|| DeviceFileError::Unknown { name: name.to_owned(), nearest: nearest(name) })?;
        if as_json {
            print_json(&json!({"name": name, "description": description, "file": null}))?;
        } else {
            print(format!("{name}: {description}"))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let folder = resolve::user_devices();
    let description = describe(name, folder.as_deref())?;
    let (file, text) = nasprof_devices::text(name, folder.as_deref())?;
    if as_json {
        print_json(&json!({"name": name, "description": description, "file": file, "text": text}))?;
    } else {
        print(format!("{name}: {description}"))?;
        print(paint(Tone::Faint, format!("# {file}")))?;
        text.lines().try_for_each(print)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn nearest(name: &str) -> Option<String> {
    let known: Vec<String> = synthetic::names().map(|name| format!("synthetic:{name}")).collect();
    nasprof_base::suggest::nearest(name, known.iter().map(String::as_str))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    Bad,
    NotObservable,
}

/// One checked item.
#[derive(Debug, Serialize)]
struct Step {
    step: String,
    verdict: Verdict,
    detail: String,
    /// How to fix the problem.
    mend: Option<String>,
}

/// Connects to a device as a measurement does, and reports the result of each step.
struct Check {
    as_json: bool,
    steps: Vec<Step>,
}

impl Check {
    /// Returns exit code 4 if the gate would refuse the machine, or the error's exit code if the device is unusable.
    fn run(mut self, name: &str, settings: &[String]) -> Result<ExitCode, Failure> {
        let file = resolve::device(name, settings)?;
        if let Some(command) = &file.command {
            return self.command(&file, command);
        }
        let mut reported = Ok(());
        let link = resolve::open_with_progress(&file, &mut |milestone| {
            if reported.is_ok() {
                reported = self.milestone(milestone);
            }
        });
        reported?;
        let mut link = match link {
            Ok(link) => link,
            Err(error) => return self.failed(name, failed_step(&error), error),
        };
        let context = ContextArgs::default();
        let target = target(&file, link.cores(), &context)?;
        let mut device = match link.agent(&target.backend) {
            Ok(device) => device,
            Err(error) => return self.failed(name, failed_step(&error), error),
        };
        for remark in link.remarks() {
            self.status("clocks", Verdict::Ok, remark, None)?;
        }
        let observed = device.configure(&target.setup(0, 0)).and_then(|facts| Ok((facts, device.probe()?)));
        let (fingerprint, probes) = match observed {
            Ok(observed) => observed,
            Err(error) => return self.unusable(name, &target.backend, error),
        };
        let runtime = fingerprint.facts.get("runtime").map_or("", String::as_str);
        self.status("runtime", Verdict::Ok, format!("{} {runtime}", target.backend).trim().to_owned(), None)?;
        self.clocks(&fingerprint)?;
        let busy = busy_processes(&probes);
        for (probe, value) in &probes.values {
            self.probe(probe, value, busy.as_deref())?;
        }
        self.end(name, &fingerprint, &probes)
    }

    /// The same for a device that runs a command: all but measuring a model.
    fn command(mut self, file: &DeviceFile, command: &CommandTable) -> Result<ExitCode, Failure> {
        let mut reported = Ok(());
        let device = resolve::open_command(file, command, &mut |milestone| {
            if reported.is_ok() {
                reported = self.milestone(milestone);
            }
        });
        reported?;
        let mut device = match device {
            Ok(device) => device,
            Err(error) => return self.failed(&file.name, failed_step(&error), error),
        };
        let program = command.words().first().cloned().unwrap_or_default();
        if let Err(error) = device.check(&heeded()?) {
            let failure = Failure::from(error);
            self.status("command", Verdict::Bad, failure.message.clone(), failure.hint.clone())?;
            if self.as_json {
                print_json(&json!({"device": file.name, "ok": false, "steps": self.steps}))?;
            }
            return Ok(ExitCode::from(failure.exit as u8));
        }
        self.status("command", Verdict::Ok, program, None)?;
        if self.as_json {
            print_json(&json!({"device": file.name, "facts": device.facts(), "ok": true, "steps": self.steps}))?;
        } else {
            for (fact, value) in device.facts() {
                print(
                    fit(&format!("fact                 {fact}: {}", value.replace('\n', " ")), 80 + spare()).trim_end(),
                )?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn milestone(&mut self, milestone: Milestone) -> Result<(), Failure> {
        match milestone {
            Milestone::TryingAgain { problem, pause } => {
                status(format!("{problem}; retrying in {} s", pause.as_secs()));
                Ok(())
            }
            Milestone::LoggedIn { address, fingerprint, user } => {
                self.status("connect", Verdict::Ok, address, None)?;
                self.status("host key", Verdict::Ok, fingerprint, None)?;
                self.status("login", Verdict::Ok, user, None)
            }
            Milestone::Surveyed { architecture, folder, free_bytes } => {
                self.status("architecture", Verdict::Ok, architecture, None)?;
                match free_bytes {
                    Some(free) => {
                        self.status("space", Verdict::Ok, format!("{} MB free in {folder}", free / 1_000_000), None)
                    }
                    None => self.status("space", Verdict::NotObservable, folder, None),
                }
            }
            Milestone::Installed { agent, uploaded } => {
                let how = if uploaded { "uploaded" } else { "already there" };
                self.status("agent", Verdict::Ok, format!("{agent} ({how})"), None)
            }
            Milestone::Library { library, origin } => {
                let how = match origin {
                    LibraryOrigin::Board => "the board's own",
                    LibraryOrigin::Uploaded => "uploaded",
                    LibraryOrigin::WasThere => "already there",
                };
                self.status("library", Verdict::Ok, format!("{library} ({how})"), None)
            }
            Milestone::Taken { cores, exclusive } => {
                let ours = if exclusive { "no other measurement is running" } else { "not exclusive" };
                self.status("board", Verdict::Ok, format!("{cores} cores, {ours}"), None)
            }
        }
    }

    /// Whether the clocks are fixed. Clocks that move do not prevent a measurement; drift flags show them.
    fn clocks(&mut self, fingerprint: &Fingerprint) -> Result<(), Failure> {
        let fact = |name: &str| fingerprint.facts.get(name).map(String::as_str).filter(|f| *f != "not observable");
        if let Some(mode) = fact("power_mode") {
            self.status("power mode", Verdict::Ok, mode.to_owned(), None)?;
        }
        match fact("governor") {
            Some("performance") => self.status("clocks", Verdict::Ok, "governor performance".to_owned(), None),
            Some(other) => {
                let mend = "use --lock-clocks; unfixed clocks widen intervals and cause drift flags";
                self.status("clocks", Verdict::Bad, format!("governor {other}"), Some(mend.to_owned()))
            }
            None => self.status("clocks", Verdict::NotObservable, String::new(), None),
        }
    }

    fn probe(&mut self, name: &str, probe: &Probe, busy: Option<&str>) -> Result<(), Failure> {
        match probe {
            Probe::Ok(value) => self.status(name, Verdict::Ok, format!("{value:.1}"), None),
            Probe::Bad(value) => self.status(name, Verdict::Bad, format!("{value:.1}"), Some(probe_hint(name, busy))),
            Probe::NotObservable => self.status(name, Verdict::NotObservable, String::new(), None),
        }
    }

    fn status(&mut self, step: &str, verdict: Verdict, detail: String, mend: Option<String>) -> Result<(), Failure> {
        if !self.as_json {
            let word = match verdict {
                Verdict::Ok => "ok  ",
                Verdict::Bad => "BAD ",
                Verdict::NotObservable => "not observable",
            };
            print(format!("{step:<20} {word} {detail}").trim_end())?;
            if let Some(mend) = &mend {
                print(format!("{:<20} fix: {mend}", ""))?;
            }
        }
        self.steps.push(Step { step: step.to_owned(), verdict, detail, mend });
        Ok(())
    }

    /// Ends the check at an error.
    fn failed(mut self, name: &str, step: &str, error: LinkError) -> Result<ExitCode, Failure> {
        self.status(step, Verdict::Bad, error.to_string(), Some(link_hint(&error)))?;
        if self.as_json {
            print_json(&json!({"device": name, "ok": false, "steps": self.steps}))?;
        }
        Ok(ExitCode::from(Failure::from(error).exit as u8))
    }

    fn unusable(mut self, name: &str, backend: &str, error: DeviceError) -> Result<ExitCode, Failure> {
        let mend = "check the back end, threads and cores in the device file";
        self.status("runtime", Verdict::Bad, format!("{backend}: {error}"), Some(mend.to_owned()))?;
        if self.as_json {
            print_json(&json!({"device": name, "ok": false, "steps": self.steps}))?;
        }
        Ok(ExitCode::from(Failure::from(error).exit as u8))
    }

    fn end(self, name: &str, fingerprint: &Fingerprint, probes: &Probes) -> Result<ExitCode, Failure> {
        let noisy = probes.values.values().any(|p| matches!(p, Probe::Bad(_)));
        if self.as_json {
            print_json(&json!({
                "device": name, "facts": fingerprint.facts, "probes": probes.values, "busy": probes.busy,
                "ok": !noisy, "steps": self.steps
            }))?;
        } else {
            for (fact, value) in &fingerprint.facts {
                print(format!("fact                 {fact}: {value}"))?;
            }
        }
        Ok(if noisy { ExitCode::from(Exit::Noisy as u8) } else { ExitCode::SUCCESS })
    }
}

/// The step of the check at which an error occurred.
fn failed_step(error: &LinkError) -> &'static str {
    match error {
        LinkError::Configuration { .. } => "configuration",
        LinkError::Unreachable { .. } | LinkError::Handshake { .. } | LinkError::Lost(_) => "connect",
        LinkError::UnknownHostKey { .. } | LinkError::ChangedHostKey { .. } | LinkError::RevokedHostKey { .. } => {
            "host key"
        }
        LinkError::Login { .. } | LinkError::Key { .. } => "login",
        LinkError::InUse { .. } => "board",
        LinkError::PowerMode { .. } | LinkError::Board { step: LinkStep::PowerMode | LinkStep::Command, .. } => {
            "power mode"
        }
        LinkError::Clocks { .. } => "clocks",
        LinkError::Board { step: LinkStep::WorkFolder, .. } => "space",
        LinkError::NoLibrary { .. }
        | LinkError::WrongLibrary { .. }
        | LinkError::Board { step: LinkStep::UploadLibrary, .. } => "library",
        LinkError::NoAgent { .. }
        | LinkError::WrongAgent { .. }
        | LinkError::Version { .. }
        | LinkError::Board { .. }
        | LinkError::Protocol(_) => "agent",
    }
}

fn probe_hint(name: &str, busy: Option<&str>) -> String {
    let text = match name {
        "temperature_celsius" => "let the device cool down; `temperature_limit` in the device file sets the limit",
        "throttle_events" => "the device was throttled recently; let it cool down, and check its power supply",
        "steal_percent" => "other virtual machines use the processor; measure on a dedicated machine",
        _ => {
            let busy = busy.map_or_else(String::new, |busy| format!(" (busy: {busy})"));
            return format!("stop other programs on the device{busy}");
        }
    };
    text.to_owned()
}
