//! Devices by name, and connections to them.

use std::path::{Path, PathBuf};

use nasprof_base::env_path::state_home;
use nasprof_devices::{CommandDevice, CommandTable, DeviceFile, Link, LinkError, Milestone, Upload, find};

use super::programs::programs;
use crate::cli::MeasureArgs;
use crate::escape::one_line;
use crate::failure::Failure;
use crate::interruption::heeded;
use crate::known::user_devices;
use crate::terminal::status;

/// A device by name, from the user's folder or built in, with the command line's settings applied.
pub(crate) fn device(name: &str, settings: &[String]) -> Result<DeviceFile, Failure> {
    Ok(find(name, user_devices().as_deref(), settings)?)
}

/// The back end that a measurement uses.
pub(crate) fn backend(name: &str, args: &MeasureArgs) -> Result<String, Failure> {
    let own = device(name, &args.settings.set)?.backend;
    Ok(args.context.backend.clone().unwrap_or(own))
}

/// Connects to a device; on a board, this logs in and takes the lock.
pub(crate) fn open(file: &DeviceFile) -> Result<Link, Failure> {
    open_with(file, Vec::new())
}

/// As [`open`]; also uploads these files to a board.
pub(crate) fn open_with(file: &DeviceFile, uploads: Vec<Upload>) -> Result<Link, Failure> {
    if file.command.is_some() {
        return Err(Failure::usage(format!("`{}` runs its own command, which times whole models only", file.name))
            .hint(format!(
                "use `nasprof time --device {0}` or `nasprof measure --device {0} --model FILE.onnx`",
                file.name
            )));
    }
    heeded()?;
    Ok(reach(file, uploads, &mut |milestone| {
        if let Milestone::TryingAgain { problem, pause } = milestone {
            status(format!("{problem}; retrying in {} s", pause.as_secs()));
        }
    })?)
}

/// Connects to a device and reports each step.
pub(crate) fn open_with_progress(file: &DeviceFile, progress: &mut dyn FnMut(Milestone)) -> Result<Link, LinkError> {
    reach(file, Vec::new(), progress)
}

fn reach(file: &DeviceFile, uploads: Vec<Upload>, progress: &mut dyn FnMut(Milestone)) -> Result<Link, LinkError> {
    Link::open(file, programs(), clock_copies(), uploads, Box::new(passphrase), progress)
}

/// Connects to a device that runs a command instead of an agent.
pub(crate) fn open_command(
    file: &DeviceFile,
    command: &CommandTable,
    progress: &mut dyn FnMut(Milestone),
) -> Result<CommandDevice, LinkError> {
    CommandDevice::open(file, command, Box::new(passphrase), progress)
}

/// Asks on the terminal for the passphrase of a key.
fn passphrase(key: &Path) -> std::io::Result<String> {
    rpassword::prompt_password(format!("Passphrase of {}: ", one_line(&key.display().to_string())))
}

/// Folder of the backups of devices' clock settings from before they were locked.
fn clock_copies() -> Option<PathBuf> {
    state_home().map(|folder| folder.join("nasprof/clocks"))
}
