//! A board: sshd on a port of this machine, with keys, a work folder and a log of its own.

use std::collections::BTreeSet;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::harness::Folder;
use crate::processes;

/// The work folder's name: a shell that takes it for more than a name leaves files behind.
const WORK: &str = "work $(touch x) `touch x`; touch x 'quoted' \"twice\" & *";

/// Takes little time, and everything happens in it: trials, a session, eight rounds.
pub(crate) const MEASURE: &str =
    "measure --device board --space small.toml --mode isolated --sessions 1 --max-rounds 8 -o a.parquet";

pub(crate) struct Board {
    folder: TempDir,
    sshd: Child,
    pub(crate) port: u16,
    /// Words before sshd, to run it somewhere else.
    prefix: Vec<String>,
}

/// The board, or nothing with a reason where this machine has no sshd.
pub(crate) fn board() -> Option<Board> {
    Board::with("", &[], "127.0.0.1")
}

impl Board {
    /// With lines for sshd's configuration, started by other words, on an address.
    pub(crate) fn with(configuration: &str, prefix: &[&str], address: &str) -> Option<Self> {
        if !Path::new(SSHD).exists() {
            nasprof_testkit::skip::skip(format_args!(
                "this machine has no {SSHD} (scripts/install-packages.sh installs it)"
            ));
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for key in ["host", "user", "other"] {
            make_key(&path(key), "");
        }
        fs::copy(path("user.pub"), path("authorized")).unwrap();
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let text = format!(
            "Port {port}\nListenAddress {address}\nHostKey {0}/host\nAuthorizedKeysFile {0}/authorized\n\
             PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             LogLevel ERROR\nMaxStartups 100\n{configuration}\n",
            folder.path().display()
        );
        fs::write(path("sshd_config"), text).unwrap();
        if nix::unistd::geteuid().is_root() {
            // sshd wants it, and only an init system makes it.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let prefix: Vec<String> = prefix.iter().map(|&word| word.to_owned()).collect();
        let sshd = start(&prefix, folder.path());
        let board = Self { folder, sshd, port, prefix };
        if prefix_is_empty(&board.prefix) {
            board.wait_for_port();
        }
        Some(board)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where the agent and the lock are.
    pub(crate) fn work(&self) -> PathBuf {
        self.path(WORK)
    }

    /// The line of a known-hosts file for this board behind a port.
    pub(crate) fn known(&self, address: &str, port: u16) -> String {
        let key = fs::read_to_string(self.path("host.pub")).unwrap();
        format!("[{address}]:{port} {key}")
    }

    /// A folder whose device `board` is this board behind a port.
    pub(crate) fn folder(&self, port: u16) -> Folder {
        self.folder_at("127.0.0.1", port, "")
    }

    /// The same at another address, with more lines for the device file.
    pub(crate) fn folder_at(&self, address: &str, port: u16, more: &str) -> Folder {
        let folder = Folder::new();
        fs::write(folder.path("known"), self.known(address, port)).unwrap();
        let text = format!(
            "format_version = 1\ntransport = \"ssh\"\nbackend = \"synthetic:quiet\"\nthreads = 1\nhost = \"{address}\"\n\
             port = {port}\nidentity_file = {:?}\nknown_hosts = {:?}\nwork_folder = {:?}\nsilence_seconds = 5\n{more}\n",
            self.path("user"),
            folder.path("known"),
            self.work(),
        );
        device_file(&folder, &text);
        folder
    }

    /// Agents and supervisors that run here.
    pub(crate) fn agents(&self) -> Vec<processes::Process> {
        processes::below(&self.work())
    }

    /// Whether a name in a path was taken for a command.
    pub(crate) fn was_injected(&self) -> bool {
        ["x", "work"].iter().any(|name| self.path(name).exists() || self.work().join(name).exists())
    }

    /// Kills sshd and the processes of its connections.
    pub(crate) fn kill_sshd(&mut self) {
        for process in processes::descendants(self.sshd.id()) {
            if process.name == "sshd" {
                process.signal(Signal::SIGKILL);
            }
        }
        self.sshd.kill().unwrap();
        self.sshd.wait().unwrap();
    }

    /// Ends all that runs on the board, as a power cut would: nobody gets to react to the end of another.
    pub(crate) fn cut_power(&mut self) {
        let mut stopped = BTreeSet::new();
        // What is stopped starts nothing more: once a look finds nobody new, nobody runs.
        let all = loop {
            let mut all = processes::descendants(self.sshd.id());
            all.extend(self.agents());
            self.signal_sshd(Signal::SIGSTOP);
            all.iter().for_each(|process| process.signal(Signal::SIGSTOP));
            let found: BTreeSet<i32> = all.iter().map(|process| process.pid).collect();
            if found.is_subset(&stopped) {
                break all;
            }
            stopped.extend(found);
        };
        all.iter().for_each(|process| process.signal(Signal::SIGKILL));
        self.sshd.kill().unwrap();
        self.sshd.wait().unwrap();
        processes::wait_until("no process is left on the board", || self.agents().is_empty());
    }

    fn signal_sshd(&self, signal: Signal) {
        nix::sys::signal::kill(Pid::from_raw(i32::try_from(self.sshd.id()).unwrap()), signal).unwrap();
    }

    pub(crate) fn restart_sshd(&mut self) {
        self.sshd = start(&self.prefix, self.folder.path());
        self.wait_for_port();
    }

    /// The processes that serve connections.
    pub(crate) fn sessions(&self) -> Vec<processes::Process> {
        processes::descendants(self.sshd.id()).into_iter().filter(|process| process.name == "sshd").collect()
    }

    fn wait_for_port(&self) {
        processes::wait_until("sshd answers", || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        for process in processes::descendants(self.sshd.id()) {
            process.signal(Signal::SIGKILL);
        }
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
    }
}

const SSHD: &str = "/usr/sbin/sshd";

fn prefix_is_empty(prefix: &[String]) -> bool {
    prefix.is_empty()
}

fn start(prefix: &[String], folder: &Path) -> Child {
    let words: Vec<&str> = prefix.iter().map(String::as_str).chain([SSHD]).collect();
    Command::new(words[0])
        .args(&words[1..])
        .arg("-D")
        .arg("-f")
        .arg(folder.join("sshd_config"))
        .arg("-E")
        .arg(folder.join("sshd.log"))
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

pub(crate) fn make_key(path: &Path, passphrase: &str) {
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", passphrase, "-f"]).arg(path).status();
    assert!(made.unwrap().success());
}

/// Writes the user's own file of the device `board`.
pub(crate) fn device_file(folder: &Folder, text: &str) {
    let devices = folder.path("nasprof/devices");
    fs::create_dir_all(&devices).unwrap();
    fs::write(devices.join("board.toml"), text).unwrap();
}

/// A folder whose device `board` is this machine, without a link.
pub(crate) fn unlinked() -> Folder {
    let folder = Folder::new();
    let text = "format_version = 1\ntransport = \"local\"\nbackend = \"synthetic:quiet\"\nthreads = 1\n";
    device_file(&folder, text);
    folder
}

/// What the device `board` gives without a link: files with a path to it must be the same bytes.
pub(crate) fn undisturbed(line: &str) -> Folder {
    let folder = unlinked();
    folder.ok(line);
    folder
}
