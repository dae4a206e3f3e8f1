//! `devices`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCompleter;

use super::context::SettingArgs;
use crate::completions;

#[derive(Debug, Args)]
pub(crate) struct DevicesArgs {
    #[command(subcommand)]
    pub(crate) command: Option<DevicesCommand>,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DevicesCommand {
    /// List the known devices with their descriptions.
    List,
    /// Print a device's file.
    Show {
        /// Name of the device.
        #[arg(add = ArgValueCompleter::new(completions::devices))]
        name: String,
    },
    /// Connect to a device and report its state; with --lut, measure the LUT's anchors again.
    Check {
        /// Name of the device.
        #[arg(add = ArgValueCompleter::new(completions::devices))]
        name: String,
        /// The LUT whose anchor networks show the device's current level.
        #[arg(long, value_name = "LUT")]
        lut: Option<PathBuf>,
        /// The LUT's space: a built-in name or a TOML file [default: from the LUT, if it is built in].
        #[arg(long, requires = "lut", add = ArgValueCompleter::new(completions::spaces))]
        space: Option<String>,
        #[command(flatten)]
        settings: SettingArgs,
    },
}
