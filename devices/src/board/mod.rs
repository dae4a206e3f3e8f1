//! A board: its architecture, its agent, and the supervisor that starts the agent.

mod library;
mod scripts;
mod upload;

use std::time::Duration;

use nasprof_profiler::protocol::bounds::MAX_CORES;
use nasprof_profiler::protocol::{ALIVE, MARK, Notice, Order};

use crate::agent::{check_version, start};
use crate::error::{LinkError, Step};
use crate::file::DeviceFile;
use crate::programs::architecture;
use crate::ssh::{Connection, Stream};

/// A login shell may print some lines of its own before the supervisor speaks.
const MAX_NOISE_LINES: usize = 100;
/// A supervisor is there at once, but a board may first have to load libtorch from a slow card.
const GREETING: Duration = Duration::from_secs(120);

pub use self::library::LibraryOrigin;
pub(crate) use self::library::{Library, provide};
pub(crate) use self::upload::install;

/// What a board says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Survey {
    /// The work folder, absolute.
    pub(crate) folder: String,
    pub(crate) architecture: String,
    /// Free bytes there, where the board tells.
    pub(crate) free_bytes: Option<u64>,
    /// Whether its shell can hold a lock.
    pub(crate) has_flock: bool,
}

/// Who is measuring: the token is known to this run only, the owner is for people.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    pub(crate) token: String,
    pub(crate) words: String,
}

/// Looks at a board.
pub(crate) fn survey(connection: &Connection, file: &DeviceFile) -> Result<Survey, LinkError> {
    let output = connection.run(scripts::SURVEY, &[&file.work_folder], b"")?;
    if output.status != 0 {
        return Err(failed(Step::WorkFolder, &output.errors, output.status));
    }
    let value = |key: &str| {
        let found = output.text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        found.filter(|value| !value.is_empty())
    };
    let (Some(folder), Some(machine)) = (value("folder"), value("machine")) else {
        return Err(LinkError::protocol(format!("unexpected description of the board: `{}`", start(&output.text))));
    };
    Ok(Survey {
        folder: folder.to_owned(),
        architecture: architecture(machine, value("bits").and_then(|bits| bits.parse().ok())),
        free_bytes: value("free").and_then(|kilobytes| kilobytes.parse::<u64>().ok()).map(|k| k.saturating_mul(1024)),
        has_flock: value("flock").is_some(),
    })
}

/// The supervisor on a board.
pub(crate) struct Supervisor {
    stream: Stream,
    /// Processors of the board.
    pub(crate) cores: usize,
    /// Number of the last command.
    commands: u64,
}

impl Supervisor {
    /// Starts it, with ONNX Runtime from `library` where that was put there; with the device file's `exclusive`, it takes the board
    /// for `owner`.
    pub(crate) fn start(
        connection: Connection,
        file: &DeviceFile,
        agent: &str,
        library: Option<&str>,
        owner: &Owner,
    ) -> Result<Self, LinkError> {
        let libraries: Vec<&str> =
            [&file.libtorch, &file.onnxruntime].into_iter().flatten().map(String::as_str).collect();
        let libraries = libraries.join(":");
        let mut arguments = vec![file.work_folder.as_str(), agent, &libraries, library.unwrap_or_default()];
        if file.exclusive {
            arguments.extend(["lock", &owner.token, &owner.words]);
        }
        let silence = Duration::from_secs(file.silence_seconds);
        let mut stream = Stream::start(connection, scripts::SUPERVISE, &arguments, ALIVE.to_owned(), silence)?;
        for _ in 0..MAX_NOISE_LINES {
            let line = match stream.receive(GREETING) {
                Err(LinkError::Lost(problem)) => return Err(LinkError::Board { step: Step::Start, problem }),
                line => line?,
            };
            if !line.starts_with(MARK) {
                continue;
            }
            return match notice(&line)? {
                Notice::Ready { protocol, version, cores } => {
                    check_version(protocol, &version)?;
                    if cores > MAX_CORES {
                        return Err(LinkError::protocol(format!("cores is {cores}, at most {MAX_CORES} is possible")));
                    }
                    Ok(Self { stream, cores: cores.max(1), commands: 0 })
                }
                Notice::InUse { owner, seconds } => Err(LinkError::InUse { owner: start(&owner), seconds }),
                other => Err(unexpected(&other)),
            };
        }
        Err(LinkError::protocol("unexpected output instead of a greeting"))
    }

    /// Starts a fresh agent; its lines follow.
    pub(crate) fn start_agent(&mut self) -> Result<(), LinkError> {
        self.order(&Order::Start)
    }

    /// Ends the agent and waits until it has.
    pub(crate) fn stop_agent(&mut self, patience: Duration) -> Result<(), LinkError> {
        self.order(&Order::Stop)?;
        loop {
            let line = self.stream.receive(patience)?;
            // What the agent was still saying is of no interest.
            if line.starts_with(MARK) {
                return match notice(&line)? {
                    Notice::Ended { .. } | Notice::Failed { .. } => Ok(()),
                    other => Err(unexpected(&other)),
                };
            }
        }
    }

    pub(crate) fn send(&mut self, line: &str) -> Result<(), LinkError> {
        self.stream.send(line)
    }

    /// The agent's next line, or that it ended.
    pub(crate) fn receive(&mut self, patience: Duration) -> Result<Result<String, String>, LinkError> {
        let line = self.stream.receive(patience)?;
        if !line.starts_with(MARK) {
            return Ok(Ok(line));
        }
        match notice(&line)? {
            Notice::Ended { status, words } => {
                let words = if words.is_empty() { words } else { format!(": {words}") };
                Ok(Err(start(&format!("{status}{words}"))))
            }
            Notice::Failed { error } => Err(LinkError::Board { step: Step::Start, problem: start(&error) }),
            other => Err(unexpected(&other)),
        }
    }

    /// Runs a shell command; its exit code and output. No agent may be running.
    pub(crate) fn run(&mut self, command: &str, patience: Duration) -> Result<(i32, String), LinkError> {
        self.commands += 1;
        self.order(&Order::Run { number: self.commands, command: command.to_owned() })?;
        match notice(&self.stream.receive(patience)?)? {
            Notice::Ran { number, status, output } if number == self.commands => Ok((status.unwrap_or(255), output)),
            Notice::Failed { error } => Err(LinkError::Board { step: Step::Command, problem: start(&error) }),
            other => Err(unexpected(&other)),
        }
    }

    fn order(&mut self, order: &Order) -> Result<(), LinkError> {
        let line = serde_json::to_string(order).map_err(|e| LinkError::protocol(e.to_string()))?;
        self.stream.send(&line)
    }
}

fn notice(line: &str) -> Result<Notice, LinkError> {
    serde_json::from_str(line).map_err(|e| LinkError::protocol(format!("cannot read its line `{}`: {e}", start(line))))
}

fn unexpected(notice: &Notice) -> LinkError {
    LinkError::protocol(format!("unexpected notice {}", start(&format!("{notice:?}"))))
}

fn failed(step: Step, errors: &str, status: i32) -> LinkError {
    let words = errors.lines().rev().find(|line| !line.trim().is_empty());
    let problem = words.map_or_else(|| format!("exit code {status}"), |line| start(line.trim()));
    LinkError::Board { step, problem }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::path::Path;
    use std::process::{Output, Stdio};
    use std::time::{Duration, SystemTime};

    use nasprof_testkit::shells::Shell;

    use super::scripts;

    fn run(shell: &Shell, home: &Path, script: &str, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = shell
            .command()
            .args(["-c", script, "sh"])
            .args(arguments)
            .env("HOME", home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap()
    }

    /// In work folders whose names a shell could misunderstand.
    #[test]
    fn an_upload_is_whole_or_not_there() {
        Shell::all().iter().for_each(upload_by);
    }

    fn upload_by(shell: &Shell) {
        for folder in ["plain", "a b/c", "$(touch x)", "; touch x", "-n", "~/it's", "*"] {
            let home = tempfile::tempdir().unwrap();
            let take = |size: &str, bytes: &[u8]| {
                run(shell, home.path(), scripts::TAKE, &[folder, "agent-0", size, "4"], bytes)
            };
            let there = |hash: &str| {
                let output = run(shell, home.path(), scripts::IS_THERE, &[folder, "agent-0", "3", hash], b"");
                String::from_utf8(output.stdout).unwrap()
            };
            // SHA-256 of `abc`: FIPS 180-2, appendix B.1.
            let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
            assert_eq!(take("3", b"ab").status.code(), Some(5), "{folder}");
            assert_eq!(there(abc), "absent\n");
            assert!(take("3", b"abc").status.success());
            assert_eq!(there(abc), "present\n");
            assert_eq!(there(&abc.replace('b', "c")), "absent\n");
            let work = home.path().join(folder.trim_start_matches("~/"));
            let names: Vec<_> = fs::read_dir(&work).unwrap().map(|e| e.unwrap().file_name()).collect();
            assert_eq!(names, ["agent-0"], "{folder}");
            assert!(!work.join("x").exists() && !home.path().join("x").exists(), "{folder}");
        }
    }

    /// Of each kind so many stay as are asked for, and no other kind is touched.
    #[test]
    fn old_parts_and_old_agents_are_removed() {
        Shell::all().iter().for_each(removed_by);
    }

    fn removed_by(shell: &Shell) {
        let home = tempfile::tempdir().unwrap();
        let work = home.path().join("w");
        fs::create_dir(&work).unwrap();
        // No process has that number.
        fs::write(work.join("agent-9.99999999.part"), "x").unwrap();
        let own = format!("agent-8.{}.part", std::process::id());
        fs::write(work.join(&own), "x").unwrap();
        for (kind, count, kept) in [("agent", 7, "4"), ("onnxruntime", 3, "2")] {
            for i in 0..count {
                let name = format!("{kind}-{i}");
                let taken = run(shell, home.path(), scripts::TAKE, &["w", &name, "1", kept], b"x");
                assert!(taken.status.success(), "{}", shell.name);
                // A minute apart, and before the next one.
                let time = SystemTime::now() - Duration::from_secs(60 * (10 - i));
                fs::File::options().write(true).open(work.join(&name)).unwrap().set_modified(time).unwrap();
            }
        }
        assert!(!work.join("agent-9.99999999.part").exists());
        assert!(work.join("agent-6").exists() && work.join("onnxruntime-2").exists());
        let of = |kind: &str| {
            let names = fs::read_dir(&work).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
            names.filter(|name| name.starts_with(kind) && !name.ends_with(".part")).count()
        };
        assert_eq!((of("agent-"), of("onnxruntime-")), (4, 2), "{}", shell.name);
        assert!(!work.join("agent-2").exists() && work.join("agent-3").exists(), "{}", shell.name);
    }

    #[test]
    fn a_survey_says_folder_machine_and_room() {
        for shell in &Shell::all() {
            let home = tempfile::tempdir().unwrap();
            let text = String::from_utf8(run(shell, home.path(), scripts::SURVEY, &["a b"], b"").stdout).unwrap();
            for expected in ["/a b\n", "machine=", "free=", "flock="] {
                assert!(text.contains(expected), "{}: {text}", shell.name);
            }
            fs::write(home.path().join("file"), "").unwrap();
            assert_eq!(run(shell, home.path(), scripts::SURVEY, &["file"], b"").status.code(), Some(3));
        }
    }

    /// The agent of ours is named by its file in the work folder, any other by a path from the account's home.
    #[test]
    fn an_agent_is_asked_wherever_it_is() {
        use std::os::unix::fs::PermissionsExt;
        for shell in &Shell::all() {
            let home = tempfile::tempdir().unwrap();
            for agent in ["w/agent-0", "own"] {
                let path = home.path().join(agent);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, format!("#!/bin/sh\necho \"{agent} $*\"; exit 3\n")).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            }
            for (agent, expected) in [("agent-0", "w/agent-0 a b\n"), ("own", "own a b\n"), ("~/own", "own a b\n")] {
                let asked = run(shell, home.path(), scripts::ASK, &["w", agent, "a b"], b"");
                assert_eq!(asked.status.code(), Some(3), "{}", shell.name);
                assert_eq!(String::from_utf8(asked.stdout).unwrap(), expected, "{}", shell.name);
            }
        }
    }
}
