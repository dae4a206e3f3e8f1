//! Measuring with a device's own command: the part that `measure --model` and `time` share.

use std::path::Path;

use nasprof_devices::{
    COMMAND, CommandDevice, CommandError, CommandModel, CommandRun, CommandTable, DeviceFile, Fetched, Milestone,
    ProfileFormat,
};
use nasprof_lut::{Format, ProfileLayer, profile_layers};
use nasprof_onnx::{ModelNames, read_names};

use super::model_file::{absolute, stands_alone};
use super::status;
use crate::cli::ContextArgs;
use crate::display::Screen;
use crate::failure::Failure;
use crate::interruption::{Kept, interruption};
use crate::resolve;

/// A connected device that has a command.
pub(super) struct ByCommand {
    device: CommandDevice,
    command: CommandTable,
    threads: usize,
}

/// Refuses options that do not apply to another program.
pub(super) fn refuse(device: &str, context: &ContextArgs, options: &[(&str, bool)]) -> Result<(), Failure> {
    let of_context = [
        ("--backend", context.backend.is_some()),
        ("--batch", context.batch.is_some()),
        ("--allocator", context.allocator.is_some()),
        ("--precision", context.precision.is_some()),
        ("--layout", context.layout.is_some()),
        ("--timing", context.timing.is_some()),
    ];
    match of_context.iter().chain(options).find(|(_, given)| *given) {
        Some((option, _)) => Err(Failure::usage(format!("{option}: `{device}` runs its own command"))
            .hint(format!("leave {option} out; `run` of [command] in the device file sets how models are measured"))),
        None => Ok(()),
    }
}

impl ByCommand {
    /// Connects to the device; the context or the device file gives the number of threads.
    pub(super) fn open(file: &DeviceFile, command: &CommandTable, context: &ContextArgs) -> Result<Self, Failure> {
        interruption(Kept::Nothing)?;
        let tell = &mut |milestone| {
            if let Milestone::TryingAgain { problem, pause } = milestone {
                status(format!("{problem}; retrying in {} s", pause.as_secs()));
            }
        };
        let threads = context.threads.map_or(file.threads, usize::from);
        let mut file = file.clone();
        file.threads = threads;
        let device = resolve::open_command(&file, command, tell).map_err(|e| Failure::from(e).without_resuming())?;
        Ok(Self { device, command: command.clone(), threads })
    }

    /// Threads that the command is told to use.
    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    /// Facts about the device.
    pub(super) fn facts(&self) -> std::collections::BTreeMap<String, String> {
        self.device.facts().clone()
    }

    /// A model file in the form in which the device gets it, and the names of its nodes if it is ONNX.
    pub(super) fn model(&self, path: &Path) -> Result<(CommandModel, Option<ModelNames>), Failure> {
        let in_context = |failure: Failure| failure.context(format!("--model {}", path.display()));
        let found = absolute(path).map_err(in_context)?;
        let bytes = resolve::model_file(path).map_err(in_context)?;
        if bytes.is_empty() {
            return Err(in_context(Failure::usage("is empty")));
        }
        let ending = path.extension().map_or_else(String::new, |ending| ending.to_string_lossy().into_owned());
        let names = match ending.as_str() {
            "onnx" => Some(read_names(&bytes).map_err(|e| in_context(Failure::usage(e)))?),
            _ => None,
        };
        if !self.device.is_remote() {
            return Ok((CommandModel { path: Some(found), ending, bytes: Vec::new() }, names));
        }
        names.as_ref().map_or(Ok(()), stands_alone).map_err(in_context)?;
        Ok((CommandModel { path: None, ending, bytes }, names))
    }

    /// Runs the command on a model in `runs` fresh processes.
    pub(super) fn run(&mut self, model: &CommandModel, runs: u32, name: &str) -> Result<Vec<CommandRun>, Failure> {
        let interrupted = interruption(Kept::Nothing)?;
        let display = std::cell::RefCell::new(Screen::new().display(None));
        display.borrow_mut().status(&format!("{name}: run 1/{runs}"));
        let result = self.device.run(
            model,
            runs,
            &interrupted,
            &mut |problem, pause| display.borrow_mut().waiting(problem, pause),
            &mut |done| {
                if done < runs as usize {
                    display.borrow_mut().status(&format!("{name}: run {}/{runs}", done + 1));
                }
            },
        );
        display.borrow().finish();
        Ok(result?)
    }

    /// Nanoseconds of each run of the model, as one run of the command reports them; `None` without a `times_format`.
    pub(super) fn times(&self, run: &CommandRun) -> Result<Option<Vec<f64>>, Failure> {
        let Some(format) = self.command.times() else { return Ok(None) };
        let (what, text) = match self.command.names("times") {
            true => ("{times}", self.text("{times}", &run.times)?),
            false => ("its output", String::from_utf8_lossy(&run.printed).into_owned()),
        };
        format.read(&text).map(Some).map_err(|problem| self.wrong(&format!("gave unusable times: {what} {problem}")))
    }

    /// The layers of a run's profile.
    pub(super) fn layers(&self, run: &CommandRun, format: ProfileFormat) -> Result<Vec<ProfileLayer>, Failure> {
        let text = self.text("{profile}", &run.profile)?;
        let format = match format {
            ProfileFormat::Trtexec => Format::Trtexec,
            ProfileFormat::OnnxRuntime => Format::OnnxRuntime,
            ProfileFormat::TfliteCsv => Format::TfliteCsv,
        };
        profile_layers(&text, format).map_err(|e| self.wrong(&format!("gave an unusable profile: {e}")))
    }

    fn text(&self, name: &str, file: &Fetched) -> Result<String, Failure> {
        match file {
            Fetched::Missing => Err(self.wrong(&format!("did not write {name}"))),
            Fetched::Several => Err(self.wrong(&format!("wrote several files that begin with {name}"))),
            Fetched::TooLarge(bytes) => Err(self.wrong(&format!("wrote {bytes} bytes into {name}, more than allowed"))),
            Fetched::File(bytes) if bytes.is_empty() => Err(self.wrong(&format!("left {name} empty"))),
            Fetched::File(bytes) => {
                String::from_utf8(bytes.clone()).map_err(|_| self.wrong(&format!("wrote no UTF-8 text into {name}")))
            }
        }
    }

    /// An error about the command's output.
    pub(super) fn wrong(&self, problem: &str) -> Failure {
        let program = self.command.words().first().cloned().unwrap_or_else(|| COMMAND.to_owned());
        CommandError::Output { program, problem: problem.to_owned() }.into()
    }
}
