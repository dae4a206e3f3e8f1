//! Hints for errors on the way to a device.

use nasprof_devices::{ClockStep, CommandError, DeviceFileError, LinkError, Step};

/// A wrong answer is not recorded, so a good agent can go on.
pub(crate) const BROKEN_AGENT: &str = "check with `nasprof devices check` that `agent`, `agent_on_board` or \
    NASPROF_AGENT is nasprof's agent; then continue with --resume: the wrong reply was not recorded";

/// What stands between us and a device.
pub(crate) fn link_hint(error: &LinkError) -> String {
    let text = match error {
        LinkError::Unreachable { problem, .. } if problem.contains("jump host") => {
            "check that the board is on, and that the jump host can reach `host` and `port` of the device file"
        }
        LinkError::Unreachable { .. } => "check that the board is on, and `host` and `port` in the device file",
        LinkError::Handshake { .. } => "check `port` in the device file; nasprof retries for `reconnect_seconds`",
        LinkError::UnknownHostKey { line, file, .. } => {
            return format!(
                "compare it with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the board; if they are equal: \
                 echo '{line}' >> {}",
                file.display()
            );
        }
        LinkError::ChangedHostKey { name, .. } => {
            return format!(
                "if the board was reinstalled: ssh-keygen -R '{name}', then confirm the new key; otherwise another \
                 machine answers, or somebody intercepts the connection"
            );
        }
        LinkError::RevokedHostKey { .. } => "the key may be compromised; create a new host key on the host",
        LinkError::Login { user, host, .. } => {
            return format!(
                "put your public key into ~{user}/.ssh/authorized_keys on {host} with `ssh-copy-id`; `identity_file` \
                 in the device file or IdentityFile in ~/.ssh/config selects the key"
            );
        }
        LinkError::Key { .. } => {
            "check `identity_file` in the device file or IdentityFile in ~/.ssh/config, or unlock the key with \
             `ssh-add FILE`"
        }
        LinkError::Configuration { host, .. } => {
            return format!("check the output of `ssh -G {host}`, and `host` and `jump_host` in the device file");
        }
        LinkError::NoAgent { architecture, .. } => {
            return format!(
                "build one with `make agent TARGET=…`, or name one in the device file: `agent` on this machine, \
                 `agent_on_board` on the board; architecture: {architecture}"
            );
        }
        LinkError::WrongAgent { .. } => {
            "name another agent with `agent` in the device file or NASPROF_AGENT; `make build` builds one with \
             libtorch for this machine, `make agent TARGET=…` a light one for a board"
        }
        LinkError::NoLibrary { architecture, .. } => {
            return format!(
                "run `scripts/install-onnxruntime.sh {architecture}` here or `pip install onnxruntime` on the board, \
                 or set `onnxruntime` in the device file to the library's folder on the board"
            );
        }
        LinkError::WrongLibrary { .. } => {
            "remove the library (NASPROF_ONNXRUNTIME or the cache of scripts/install-onnxruntime.sh), and run the \
             script with the board's architecture"
        }
        LinkError::Board { step, problem } => board_hint(*step, problem),
        LinkError::InUse { .. } => "wait for the other measurement; continue a started one with --resume",
        LinkError::Version { .. } => {
            "build both from the same commit: `make build` on this machine; `agent_on_board`, `agent` or NASPROF_AGENT \
             may name an old agent"
        }
        LinkError::PowerMode { wanted, .. } => {
            return format!(
                "use --lock-clocks, which sets the mode on a Jetson and restores it afterwards; or run `sudo nvpmodel \
                 -m NUMBER` there with the number of {wanted} in /etc/nvpmodel.conf (may need a reboot); or change \
                 power_mode"
            );
        }
        LinkError::Clocks { what: ClockStep::Keep, .. } => {
            "free disk space there, set XDG_STATE_HOME to another folder, or leave out --lock-clocks; no clock was \
             changed"
        }
        LinkError::Clocks { what: ClockStep::Read | ClockStep::Restore, copy, .. } => {
            return format!("set the device's clocks to the values in that file, then remove {}", copy.display());
        }
        LinkError::Lost(_) => "continue with --resume; the measurement so far is kept",
        LinkError::Protocol(_) => BROKEN_AGENT,
    };
    text.to_owned()
}

/// What is wrong with a device's own command.
pub(crate) fn command_hint(error: &CommandError) -> &'static str {
    match error {
        CommandError::NoProgram(_) => {
            "check the program in `run` of [command] in the device file; over SSH it may need its full path"
        }
        CommandError::Failed { .. } => {
            "run the command by hand on the device, with the arguments in `run` of [command] in the device file"
        }
        CommandError::Deadline { .. } => "raise `deadline_seconds` of [command] in the device file, or fix the command",
        CommandError::Printed { .. } => "make the program print less",
        CommandError::Output { .. } => {
            "`run`, `profile_format` and `times_format` of [command] in the device file must fit the program; \
             docs/commands.md shows each format"
        }
        CommandError::Link(_) | CommandError::Interrupted => "run the same command again",
    }
}

/// What helps where a device has too little memory.
pub(crate) fn memory_hint(problem: &str) -> Option<&'static str> {
    let hints = [
        ("CUDA out of memory", ON_GPU),
        ("CUDA: out of memory", ON_GPU),
        ("CUBLAS_STATUS_ALLOC_FAILED", ON_GPU),
        ("not enough memory", "pass a smaller --batch, or end other programs; `free -m` shows the free memory"),
    ];
    hints.iter().find(|(words, _)| problem.contains(words)).map(|(_, hint)| *hint)
}

const ON_GPU: &str =
    "end other processes on the GPU (`nvidia-smi` lists them and the free memory), or pass a smaller --batch";

/// What does not work on a board.
fn board_hint(step: Step, problem: &str) -> &'static str {
    match step {
        Step::Start if problem.contains("shared librar") => {
            "set `libtorch` in the device file to the folder of libtorch_cpu.so on the board"
        }
        Step::Start if problem.contains("lock file") => {
            "remove it on the board, or name another folder with `work_folder` of the device file"
        }
        Step::Start => {
            "start the agent by hand on the board: it is at `agent_on_board` of the device file, else in \
             `work_folder`, which must allow programs to run"
        }
        Step::WorkFolder => "set `work_folder` in the device file to a folder that this account may write to",
        Step::Upload | Step::UploadLibrary | Step::UploadModel => {
            "check the free space with `df` on the board, or set `work_folder` in the device file to another folder"
        }
        Step::Command => "check `power_mode_command` in the device file; `sh` on the device runs it",
        Step::PowerMode => {
            "fix `power_mode_command` in the device file, which must print the mode on the device, or remove it \
             together with `power_mode`"
        }
    }
}

/// What is wrong with a device's name, file or settings.
pub(crate) fn device_file_hint(error: &DeviceFileError) -> String {
    match error {
        DeviceFileError::Unknown { .. } => {
            "`nasprof devices list` lists the devices; ~/.config/nasprof/devices/NAME.toml adds one".to_owned()
        }
        DeviceFileError::Group { path } => format!("name one device of {path}"),
        DeviceFileError::Twice { name } => format!("name {name} once"),
        DeviceFileError::File { path, .. } => format!("correct {path}; docs/devices.md lists the keys"),
        DeviceFileError::Setting { .. } => "write --set key=value; docs/devices.md lists the keys".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use nasprof_profiler::protocol::ProtocolError;

    use super::*;

    /// An error's variant. A new one does not compile until it has a hint above, and a line below.
    fn name_of(error: &LinkError) -> &'static str {
        match error {
            LinkError::Unreachable { .. } => "unreachable",
            LinkError::Handshake { .. } => "handshake",
            LinkError::UnknownHostKey { .. } => "unknown host key",
            LinkError::ChangedHostKey { .. } => "changed host key",
            LinkError::RevokedHostKey { .. } => "revoked host key",
            LinkError::Login { .. } => "login",
            LinkError::Key { .. } => "key",
            LinkError::Configuration { .. } => "configuration",
            LinkError::NoAgent { .. } => "no agent",
            LinkError::WrongAgent { .. } => "wrong agent",
            LinkError::NoLibrary { .. } => "no library",
            LinkError::WrongLibrary { .. } => "wrong library",
            LinkError::Board { step: Step::UploadLibrary, .. } => "upload of a library",
            LinkError::Board { step: Step::UploadModel, .. } => "upload of a model",
            LinkError::Board { step: Step::WorkFolder, .. } => "work folder",
            LinkError::Board { step: Step::Upload, .. } => "upload",
            LinkError::Board { step: Step::Start, .. } => "start",
            LinkError::Board { step: Step::Command, .. } => "command",
            LinkError::Board { step: Step::PowerMode, .. } => "read the power mode",
            LinkError::InUse { .. } => "in use",
            LinkError::Version { .. } => "version",
            LinkError::Clocks { what: ClockStep::Keep, .. } => "keep clocks",
            LinkError::Clocks { what: ClockStep::Read, .. } => "read clocks",
            LinkError::Clocks { what: ClockStep::Restore, .. } => "restore clocks",
            LinkError::PowerMode { .. } => "power mode",
            LinkError::Lost(_) => "lost",
            LinkError::Protocol(_) => "protocol",
        }
    }
    const VARIANTS: usize = 27;

    /// Every error with what its hint must name: the key, the option, the file or the command concerned.
    fn link_errors() -> Vec<(LinkError, &'static str)> {
        let text = || "x".to_owned();
        let unreachable = |problem: &str| LinkError::Unreachable { address: text(), problem: problem.to_owned() };
        let board = |step, problem: &str| LinkError::Board { step, problem: problem.to_owned() };
        let clocks = |what| LinkError::Clocks { what, copy: PathBuf::from("/s/clocks/a.json"), problem: text() };
        let unknown = LinkError::UnknownHostKey {
            name: text(),
            kind: text(),
            fingerprint: text(),
            line: "the line".to_owned(),
            file: Path::new("/h/known").into(),
            certified: false,
        };
        vec![
            (unreachable("refused"), "`port`"),
            (unreachable("the jump host does not reach it"), "jump host"),
            (LinkError::Handshake { address: text(), problem: text() }, "`reconnect_seconds`"),
            (unknown, "echo 'the line' >> /h/known"),
            (
                LinkError::ChangedHostKey { name: "[a]:7".to_owned(), kind: text(), fingerprint: text(), file: text() },
                "ssh-keygen -R '[a]:7'",
            ),
            (LinkError::RevokedHostKey { name: text(), fingerprint: text() }, "new host key"),
            (LinkError::Login { user: "pi".to_owned(), host: text(), tried: text() }, "~pi/.ssh/authorized_keys"),
            (LinkError::Key { path: text(), problem: text() }, "`identity_file`"),
            (LinkError::Configuration { host: "gate".to_owned(), problem: text() }, "`ssh -G gate`"),
            (LinkError::NoAgent { architecture: "riscv64".to_owned(), looked: text() }, "riscv64"),
            (LinkError::WrongAgent { path: text(), problem: text() }, "`agent`"),
            (
                LinkError::NoLibrary { architecture: "aarch64".to_owned(), problem: text() },
                "install-onnxruntime.sh aarch64",
            ),
            (LinkError::WrongLibrary { path: text(), problem: text() }, "NASPROF_ONNXRUNTIME"),
            (board(Step::UploadLibrary, "x"), "`work_folder`"),
            (board(Step::UploadModel, "x"), "`work_folder`"),
            (board(Step::WorkFolder, "x"), "`work_folder`"),
            (board(Step::Upload, "x"), "`work_folder`"),
            (board(Step::Start, "x"), "`agent_on_board`"),
            (board(Step::Start, "error while loading shared libraries"), "`libtorch`"),
            (board(Step::Start, "the lock file lock is a symbolic link; remove it"), "remove it"),
            (board(Step::Command, "x"), "`power_mode_command`"),
            (board(Step::PowerMode, "sh: nvpmodel: not found"), "`power_mode_command`"),
            (LinkError::InUse { owner: text(), seconds: None }, "--resume"),
            (LinkError::Version { agent: text(), host: text() }, "`make build`"),
            (clocks(ClockStep::Keep), "XDG_STATE_HOME"),
            (clocks(ClockStep::Read), "/s/clocks/a.json"),
            (clocks(ClockStep::Restore), "/s/clocks/a.json"),
            (LinkError::PowerMode { now: text(), wanted: "MAXN".to_owned() }, "MAXN"),
            (LinkError::Lost(text()), "--resume"),
            (LinkError::Protocol(ProtocolError { agent: text(), problem: text() }), "`agent_on_board`"),
        ]
    }

    #[test]
    fn every_error_on_the_way_to_a_device_has_a_hint_that_fits() {
        let errors = link_errors();
        let seen: BTreeSet<&str> = errors.iter().map(|(error, _)| name_of(error)).collect();
        assert_eq!(seen.len(), VARIANTS, "{seen:?}");
        for (error, naming) in &errors {
            let hint = link_hint(error);
            assert!(hint.contains(naming), "{error}: no `{naming}` in: {hint}");
            assert!(!hint.contains('\n') && !hint.ends_with('.'), "{hint}");
        }
        // What an error is not about, its hint does not name: the work folder helps nobody whose command fails.
        for (error, _) in &errors {
            let about_folder = matches!(
                error,
                LinkError::Board {
                    step: Step::WorkFolder | Step::Upload | Step::UploadLibrary | Step::UploadModel | Step::Start,
                    ..
                }
            );
            assert!(about_folder || !link_hint(error).contains("work_folder"), "{error}");
            let about_mode = matches!(error, LinkError::PowerMode { .. })
                || matches!(error, LinkError::Board { step: Step::Command | Step::PowerMode, .. });
            assert!(about_mode || !link_hint(error).contains("power_mode"), "{error}");
        }
    }

    #[test]
    fn every_fault_of_a_device_file_has_a_hint_that_fits() {
        let text = || "x".to_owned();
        for (error, naming) in [
            (DeviceFileError::Unknown { name: text(), nearest: None }, "`nasprof devices list`"),
            (DeviceFileError::Group { path: "/d/all.toml".to_owned() }, "/d/all.toml"),
            (DeviceFileError::Twice { name: "board".to_owned() }, "board once"),
            (DeviceFileError::File { path: "/d/a.toml".to_owned(), problem: text() }, "correct /d/a.toml"),
            (DeviceFileError::Setting { setting: text(), problem: text() }, "--set key=value"),
        ] {
            let hint = device_file_hint(&error);
            assert!(hint.contains(naming), "{error}: {hint}");
            let lists = hint.contains("devices list");
            assert_eq!(lists, matches!(error, DeviceFileError::Unknown { .. }), "{error}: {hint}");
        }
    }
}
