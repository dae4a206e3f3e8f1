//! Shells of boards, for tests of our scripts.

use std::process::Command;

use tempfile::TempDir;

use crate::skip::skip;

/// A shell, and the programs beside it.
pub struct Shell {
    /// Its name.
    pub name: &'static str,
    /// A folder with nothing but busybox under its many names.
    applets: Option<TempDir>,
}

impl Shell {
    /// The system's shell, bash, and busybox without other programs, if this machine has it.
    ///
    /// # Panics
    /// If no folder can be made.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self { name: "sh", applets: None }, Self { name: "bash", applets: None }];
        let applets = tempfile::tempdir().expect("a temporary folder is made");
        match Command::new("busybox").args(["--install", "-s"]).arg(applets.path()).status() {
            Ok(status) if status.success() => all.push(Self { name: "busybox", applets: Some(applets) }),
            _ => skip("this machine has no busybox (scripts/install-packages.sh installs it)"),
        }
        all
    }

    /// A command to run a script with this shell.
    #[must_use]
    pub fn command(&self) -> Command {
        match &self.applets {
            None => Command::new(self.name),
            Some(applets) => {
                let mut command = Command::new(applets.path().join("sh"));
                command.env("PATH", applets.path());
                command
            }
        }
    }
}
