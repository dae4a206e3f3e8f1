//! Clocks and power mode of a board, locked over SSH: back at the next contact, whatever died and was lost.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::board::{Board, MEASURE, device_file};
use crate::harness::Folder;
use crate::link::{Listener, begin};

const CPU: &str = "sys/devices/system/cpu/cpu0/cpufreq";

/// A made-up machine below a folder, and a board whose agents take it for theirs.
pub(crate) struct Clocked {
    machine: TempDir,
    pub(crate) board: Board,
}

impl Clocked {
    pub(crate) fn new() -> Option<Self> {
        let machine = tempfile::tempdir().unwrap();
        fs::create_dir_all(machine.path().join(CPU)).unwrap();
        for (file, value) in [("governor", "ondemand"), ("min_freq", "1000000"), ("max_freq", "1000000")] {
            fs::write(machine.path().join(CPU).join(format!("scaling_{file}")), value).unwrap();
        }
        let board = Board::with(&format!("SetEnv NASPROF_ROOT={}", machine.path().display()), &[], "127.0.0.1")?;
        Some(Self { machine, board })
    }

    pub(crate) fn folder(&self) -> Folder {
        self.board.folder(self.board.port)
    }

    pub(crate) fn governor(&self) -> String {
        fs::read_to_string(self.machine.path().join(CPU).join("scaling_governor")).unwrap()
    }

    /// A board's `nvpmodel`, with two modes.
    fn with_modes(self) -> Self {
        let root = self.machine.path();
        for folder in ["usr/sbin", "etc"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("mode"), "1").unwrap();
        fs::write(root.join("etc/nvpmodel.conf"), "< POWER_MODEL ID=0 NAME=MAXN >\n< POWER_MODEL ID=1 NAME=10W >\n")
            .unwrap();
        let script = format!(
            "#!/bin/sh\ncd {}\ncase $1 in\n -q) m=$(cat mode); [ $m = 0 ] && n=MAXN || n=10W; echo \"NV Power Mode: $n\"; echo $m;;\n\
             -m) echo $2 > mode;;\nesac\n",
            root.display()
        );
        fs::write(root.join("usr/sbin/nvpmodel"), script).unwrap();
        fs::set_permissions(root.join("usr/sbin/nvpmodel"), fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn mode(&self) -> String {
        fs::read_to_string(self.machine.path().join("mode")).unwrap().trim().to_owned()
    }

    /// The device file with a wanted power mode.
    fn want(&self, folder: &Folder, mode: &str) {
        let text = fs::read_to_string(folder.path("nasprof/devices/board.toml")).unwrap();
        let text: String = text.lines().filter(|l| !l.starts_with("power_mode")).map(|l| format!("{l}\n")).collect();
        let command = format!("{}/usr/sbin/nvpmodel -q", self.machine.path().display());
        device_file(folder, &format!("{text}power_mode_command = {command:?}\npower_mode = {mode:?}\n"));
    }
}

#[test]
fn a_board_that_lost_its_own_copy_gets_its_clocks_back_at_the_next_contact() {
    let Some(mut clocked) = Clocked::new() else { return };
    let folder = clocked.folder();
    let line = "measure --device board --space mobilenet-imagenet --sessions 100 -o long.parquet --lock-clocks";
    let mut host = Listener::to(begin(&folder, line));
    host.wait_until("the clocks are locked", || clocked.governor() == "performance");
    // All at the same moment: nobody is left to restore, and the board forgets.
    host.signal(Signal::SIGSTOP);
    clocked.board.cut_power();
    host.signal(Signal::SIGKILL);
    host.finish();
    fs::remove_dir_all(clocked.machine.path().join("var/lib/nasprof")).unwrap();
    clocked.board.restart_sshd();

    // Control: a host without a copy finds nothing to restore.
    let stranger = clocked.folder();
    assert!(!stranger.ok("devices check board").contains("restored"));
    assert_eq!(clocked.governor(), "performance");

    assert!(folder.ok("devices check board").contains("restored the clocks"));
    assert_eq!(clocked.governor(), "ondemand");
    assert!(!folder.ok("devices check board").contains("restored"), "only once");

    // A measurement locks them again and gives them back.
    folder.ok(&format!("{MEASURE} --lock-clocks"));
    assert_eq!(clocked.governor(), "ondemand");
    assert_eq!(fs::read_dir(folder.path("nasprof/clocks")).unwrap().count(), 0);
}

#[test]
fn a_power_mode_is_set_and_given_back_or_refused_with_the_command() {
    let Some(clocked) = Clocked::new().map(Clocked::with_modes) else { return };
    let folder = clocked.folder();
    clocked.want(&folder, "MAXN");
    let ran = folder.fails(MEASURE, 6, "requires `MAXN`");
    assert!(ran.stderr.contains("sudo nvpmodel -m") && !folder.path("a.journal.jsonl").exists(), "{}", ran.stderr);
    assert_eq!(clocked.mode(), "1", "never changed without being asked for");

    folder.ok(&format!("{MEASURE} --lock-clocks"));
    assert_eq!(clocked.mode(), "1");
    let lut: Value = serde_json::from_str(&folder.ok("lut show a.parquet --json")).unwrap();
    assert_eq!(lut["context"]["facts"]["power_mode"], "NV Power Mode: MAXN 0");
    assert!(lut["context"]["facts"]["clocks"].as_str().unwrap().contains("mode=0"), "{lut}");
    // In another mode it is another context.
    folder.fails("validate --device board --lut a.parquet --space small.toml -n 1", 6, "");
    folder.ok("validate --device board --lut a.parquet --space small.toml -n 1 --lock-clocks");
    assert_eq!(clocked.mode(), "1");

    // A mode that the board does not have is named, with those that it has.
    clocked.want(&folder, "5W");
    let line = MEASURE.replace("a.parquet", "b.parquet");
    folder.fails(&format!("{line} --lock-clocks"), 2, "this board has MAXN, 10W");
    assert_eq!((clocked.mode().as_str(), clocked.governor().as_str()), ("1", "ondemand"));
}

/// A board without `nvpmodel` is looked at all the same: locking its clocks does not make a wrong mode right.
#[test]
fn a_power_mode_that_nothing_can_set_is_refused() {
    let Some(clocked) = Clocked::new() else { return };
    let folder = clocked.folder();
    let text = fs::read_to_string(folder.path("nasprof/devices/board.toml")).unwrap();
    device_file(&folder, &format!("{text}power_mode_command = \"echo slow\"\npower_mode = \"fast\"\n"));
    folder.fails(&format!("{MEASURE} --lock-clocks"), 6, "the power mode is `slow`");
    assert_eq!(clocked.governor(), "ondemand");
    device_file(&folder, &format!("{text}power_mode_command = \"echo fast\"\npower_mode = \"fast\"\n"));
    folder.ok(&format!("{MEASURE} --lock-clocks --resume"));
}
