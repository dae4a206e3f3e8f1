//! A folder of its own for each test, and the program run in it.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A small space: three choices, two of them with a skip; larger than what a measurement samples.
pub(crate) const SPACE: &str = "format_version = 1\nkind = \"mobilenet\"\ninput = [3, 16, 16]\nnum_classes = 10\n\
    settings = [[24, 3, 1]]\ncandidates = [\"MB3 3x3\", \"MB6 3x3\", \"MB3 5x5\"]\nskip_connect = true\n";

pub(crate) struct Folder {
    folder: TempDir,
    pub(crate) agent: PathBuf,
    search: Option<PathBuf>,
}

pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Folder {
    /// With the agent that `cargo test --workspace` builds beside the program.
    pub(crate) fn new() -> Self {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_nasprof"));
        let agent = program.parent().unwrap().join("nasprof-agent");
        assert!(agent.is_file(), "{} is missing: build it with `cargo build -p nasprof-onnxruntime`", agent.display());
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("small.toml"), SPACE).unwrap();
        Self { folder, agent, search: None }
    }

    pub(crate) fn with_agent(mut self, agent: PathBuf) -> Self {
        self.agent = agent;
        self
    }

    /// With the program that trains.
    #[allow(dead_code, reason = "the rig shares this harness and trains nothing")]
    pub(crate) fn with_search(mut self, search: PathBuf) -> Self {
        self.search = Some(search);
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nasprof"));
        command
            .args(line.split_whitespace())
            .current_dir(self.folder.path())
            .env("NASPROF_AGENT", &self.agent)
            .env("NASPROF_AGENT_TORCH", &self.agent)
            .env("XDG_CONFIG_HOME", self.folder.path())
            .env("XDG_STATE_HOME", self.folder.path())
            .env_remove("NASPROF_DEVICE")
            .env_remove("SSH_AUTH_SOCK")
            .stdin(Stdio::null());
        if let Some(search) = &self.search {
            command.env("NASPROF_SEARCH", search);
        }
        command
    }

    pub(crate) fn run(&self, line: &str) -> Ran {
        self.command(line).output().unwrap().into()
    }

    /// Runs what must succeed.
    pub(crate) fn ok(&self, line: &str) -> String {
        let ran = self.run(line);
        assert_eq!(ran.code, Some(0), "nasprof {line}\n{}{}", ran.stdout, ran.stderr);
        ran.stdout
    }

    /// Runs what must fail with a code, naming something and giving a hint.
    pub(crate) fn fails(&self, line: &str, code: i32, naming: &str) -> Ran {
        let ran = self.run(line);
        assert_eq!(ran.code, Some(code), "nasprof {line}\n{}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(naming), "nasprof {line}: no `{naming}` in\n{}", ran.stderr);
        assert!(!ran.stderr.contains("panicked"), "nasprof {line} panicked:\n{}", ran.stderr);
        ran
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
