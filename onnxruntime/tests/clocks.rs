//! Clocks are locked while an agent lives, and back however it ends. On a made-up machine in a temporary folder, with
//! the built agent.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "what is skipped is said")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nasprof_profiler::protocol::numbered::Numbered;
use nasprof_profiler::protocol::{ClockCommands, ClockRequest, Probe, Reply, Request, Restored, Setup, Stored};
use nasprof_testkit::engine::Folder;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const CPU: &str = "sys/devices/system/cpu";
/// Settings of the made-up machine, as found.
const FOUND: [(&str, &str); 7] = [
    ("cpufreq/boost", "1"),
    ("cpu0/cpufreq/scaling_governor", "powersave"),
    ("cpu0/cpufreq/scaling_min_freq", "800000"),
    ("cpu0/cpufreq/scaling_max_freq", "3600000"),
    ("cpu1/cpufreq/scaling_governor", "schedutil"),
    ("cpu1/cpufreq/scaling_min_freq", "900000"),
    ("cpu1/cpufreq/scaling_max_freq", "3600000"),
];
const LOCKED: &str = "locked: boost=0 scaling_governor=performance scaling_max_freq=2400000 scaling_min_freq=2400000";

struct Machine(Folder);

impl Machine {
    fn new() -> Self {
        let machine = Self(Folder::default());
        for (name, value) in FOUND {
            machine.write(&format!("{CPU}/{name}"), value);
        }
        for cpu in 0..2 {
            machine.write(&format!("{CPU}/cpu{cpu}/cpufreq/cpuinfo_max_freq"), "2400000");
        }
        machine.write("proc/sys/kernel/random/boot_id", "first\n");
        machine
    }

    fn root(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn script(&self, path: &str, text: &str) {
        let root = self.root().display();
        self.write(path, &format!("#!/bin/sh\nROOT='{root}'\nCPU=$ROOT/{CPU}\n{text}"));
        fs::set_permissions(self.root().join(path), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn knobs(&self) -> Vec<(&'static str, String)> {
        let read = |name: &str| fs::read_to_string(self.root().join(CPU).join(name)).unwrap().trim().to_owned();
        FOUND.iter().map(|(name, _)| (*name, read(name))).collect()
    }

    fn as_found(&self) -> bool {
        self.knobs() == FOUND.map(|(name, value)| (name, value.to_owned()))
    }

    fn stored(&self) -> bool {
        self.root().join("var/lib/nasprof/clocks.json").exists()
    }

    /// Restoring happens in another process.
    fn wait_until_back(&self) {
        let start = Instant::now();
        while !self.as_found() || self.stored() {
            assert!(start.elapsed() < Duration::from_secs(240), "not restored: {:?}", self.knobs());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn agent(&self) -> Agent {
        // A shell without job control has what it starts in the background ignore signals, and all that is started by that.
        let mut child = Command::new("env")
            .args(["--default-signal", env!("CARGO_BIN_EXE_nasprof-agent")])
            .env("NASPROF_ROOT", self.root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut agent = Agent { child, input, output };
        assert!(matches!(serde_json::from_str(&agent.receive()), Ok(Reply::Hello(_))));
        agent
    }

    /// An agent that has locked the clocks.
    fn locked(&self) -> Agent {
        let mut agent = self.agent();
        match agent.configure(Some(ClockRequest::default())) {
            Reply::Configured(fingerprint) => assert_eq!(fingerprint.facts["clocks"], LOCKED),
            other => panic!("{other:?}"),
        }
        assert!(!self.as_found() && self.stored());
        agent
    }
}

struct Agent {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Agent {
    fn receive(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line
    }

    fn ask(&mut self, request: &Request) -> Reply {
        let line = serde_json::to_string(&Numbered { id: 1, message: request }).unwrap();
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
        serde_json::from_str::<Numbered<Reply>>(&self.receive()).unwrap().message
    }

    fn configure(&mut self, clocks: Option<ClockRequest>) -> Reply {
        self.ask(&Request::Configure(Setup { clocks, ..nasprof_testkit::engine::setup(0, 0) }))
    }

    fn refused(&mut self, request: ClockRequest) -> String {
        match self.configure(Some(request)) {
            Reply::Failed { error } => error,
            other => panic!("{other:?}"),
        }
    }

    fn clock_probe(&mut self) -> Option<Probe> {
        match self.ask(&Request::Probe) {
            Reply::Probes(probes) => probes.values.get("clock_lock").cloned(),
            other => panic!("{other:?}"),
        }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// The end of its input, as when the link is cut.
    fn end(mut self) -> String {
        self.input = None;
        let output = self.child.wait_with_output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    }

    /// Process number of its holder.
    fn holder(&self) -> Pid {
        let task = format!("/proc/{0}/task/{0}/children", self.child.id());
        Pid::from_raw(fs::read_to_string(task).unwrap().trim().parse().unwrap())
    }
}

#[test]
fn locked_while_the_agent_lives_and_back_at_its_end() {
    let machine = Machine::new();
    let mut agent = machine.locked();
    let values: Vec<String> = machine.knobs().into_iter().map(|(_, value)| value).collect();
    assert_eq!(values, ["0", "performance", "2400000", "2400000", "performance", "2400000", "2400000"]);
    assert_eq!(agent.clock_probe(), Some(Probe::Ok(0.0)));
    agent.end();
    // Not a matter of waiting: an agent that ends by itself waits for its holder.
    assert!(machine.as_found() && !machine.stored());
}

#[test]
fn left_alone_unless_asked_for() {
    let machine = Machine::new();
    let mut agent = machine.agent();
    match agent.configure(None) {
        Reply::Configured(fingerprint) => assert_eq!(fingerprint.facts["clocks"], "as found"),
        other => panic!("{other:?}"),
    }
    assert_eq!(agent.clock_probe(), None);
    match agent.ask(&Request::Clocks { how: ClockRequest::default() }) {
        Reply::Clocks { stored } => assert_eq!((stored.settings.len(), stored.boot.as_str()), (FOUND.len(), "first")),
        other => panic!("{other:?}"),
    }
    agent.end();
    assert!(machine.as_found() && !machine.stored());
}

#[test]
fn back_after_every_signal() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGABRT, Signal::SIGKILL] {
        let machine = Machine::new();
        let mut agent = machine.locked();
        agent.signal(signal);
        assert!(!agent.child.wait().unwrap().success());
        machine.wait_until_back();
    }
}

/// The control for the test above: without a holder nothing restores, until the next agent starts.
#[test]
fn a_killed_holder_is_made_up_for_at_the_next_contact() {
    let machine = Machine::new();
    let mut agent = machine.locked();
    let holder = agent.holder();
    kill(holder, Signal::SIGKILL).unwrap();
    agent.signal(Signal::SIGKILL);
    agent.child.wait().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert!(!machine.as_found() && machine.stored());
    let words = machine.agent().end();
    assert!(words.contains("restored the clocks"), "{words}");
    assert!(machine.as_found() && !machine.stored());
    assert_eq!(machine.agent().end(), "");
}

#[test]
fn a_reboot_has_restored_already() {
    let machine = Machine::new();
    let mut agent = machine.locked();
    kill(agent.holder(), Signal::SIGKILL).unwrap();
    agent.signal(Signal::SIGKILL);
    agent.child.wait().unwrap();
    machine.write("proc/sys/kernel/random/boot_id", "second\n");
    machine.write(&format!("{CPU}/cpu0/cpufreq/scaling_governor"), "ondemand");
    machine.agent().end();
    assert!(!machine.stored());
    assert_eq!(machine.knobs()[1].1, "ondemand", "a setting of this boot was overwritten");
}

/// What the host does before it locks: a copy of the settings as they are, under a name.
fn locked_with_a_copy(machine: &Machine, request: &ClockRequest) -> (Agent, Stored) {
    let mut agent = machine.agent();
    let mut copy = match agent.ask(&Request::Clocks { how: request.clone() }) {
        Reply::Clocks { stored } => stored,
        other => panic!("{other:?}"),
    };
    copy.name = "ours".to_owned();
    let setup =
        Setup { clocks: Some(request.clone()), clock_copy: copy.name.clone(), ..nasprof_testkit::engine::setup(0, 0) };
    assert!(matches!(agent.ask(&Request::Configure(setup)), Reply::Configured(_)));
    (agent, copy)
}

fn kill_both(agent: &mut Agent) {
    kill(agent.holder(), Signal::SIGKILL).unwrap();
    agent.signal(Signal::SIGKILL);
    agent.child.wait().unwrap();
}

fn restored(machine: &Machine, copy: &Stored) -> Restored {
    let mut agent = machine.agent();
    let reply = agent.ask(&Request::RestoreClocks { copy: copy.clone() });
    agent.end();
    match reply {
        Reply::ClocksRestored { restored } => restored,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_device_that_lost_its_own_copy_gets_its_clocks_from_the_hosts() {
    let machine = Machine::new();
    let (mut agent, copy) = locked_with_a_copy(&machine, &ClockRequest::default());
    assert_eq!(restored(&machine, &copy), Restored::Held, "a live holder is left alone");
    kill_both(&mut agent);
    fs::remove_dir_all(machine.root().join("var/lib/nasprof")).unwrap();
    // Control: without the host's copy nothing knows how they were.
    machine.agent().end();
    assert!(!machine.as_found());
    assert_eq!(restored(&machine, &copy), Restored::Now);
    assert!(machine.as_found());
    // Once: what somebody sets later stays.
    machine.write(&format!("{CPU}/cpu0/cpufreq/scaling_governor"), "performance");
    assert_eq!(restored(&machine, &copy), Restored::Before);
    assert_eq!(machine.knobs()[1].1, "performance");
}

#[test]
fn clocks_that_the_device_restored_itself_are_not_restored_again() {
    let machine = Machine::new();
    let (agent, copy) = locked_with_a_copy(&machine, &ClockRequest::default());
    agent.end();
    assert!(machine.as_found());
    machine.write(&format!("{CPU}/cpu0/cpufreq/scaling_governor"), "performance");
    assert_eq!(restored(&machine, &copy), Restored::Before);
    assert_eq!(machine.knobs()[1].1, "performance", "a wish of somebody was overwritten");

    // By the next agent, as well.
    let machine = Machine::new();
    let (mut agent, copy) = locked_with_a_copy(&machine, &ClockRequest::default());
    kill_both(&mut agent);
    assert_eq!(restored(&machine, &copy), Restored::Before);
    assert!(machine.as_found());
}

#[test]
fn a_copy_of_another_boot_changes_nothing_and_a_hostile_one_neither() {
    let machine = Machine::new();
    let (mut agent, copy) = locked_with_a_copy(&machine, &ClockRequest::default());
    kill_both(&mut agent);
    fs::remove_dir_all(machine.root().join("var/lib/nasprof")).unwrap();
    machine.write("proc/sys/kernel/random/boot_id", "second\n");
    assert_eq!(restored(&machine, &copy), Restored::Before);
    assert_eq!(machine.knobs()[1].1, "performance", "the boot has set what it wanted");
    machine.write("proc/sys/kernel/random/boot_id", "first\n");
    machine.write("victim", "untouched");
    let mut hostile = copy;
    hostile.name = "another".to_owned();
    hostile.settings[0].name = "../../../../victim".to_owned();
    restored(&machine, &hostile);
    assert_eq!(fs::read_to_string(machine.root().join("victim")).unwrap(), "untouched");
}

/// The host is told that all is well only when it is.
#[test]
fn the_farewell_says_whether_the_clocks_are_back() {
    let machine = Machine::new();
    let mut agent = machine.locked();
    assert_eq!(agent.ask(&Request::Bye), Reply::Bye);
    assert!(machine.as_found() && !machine.stored());

    let mut agent = machine.locked();
    kill(agent.holder(), Signal::SIGKILL).unwrap();
    assert!(matches!(agent.ask(&Request::Bye), Reply::Failed { .. }));
    assert!(!machine.as_found());
}

#[test]
fn a_second_agent_does_not_disturb_the_holder() {
    let machine = Machine::new();
    let mut first = machine.locked();
    let mut second = machine.agent();
    match second.configure(None) {
        Reply::Configured(fingerprint) => assert!(fingerprint.facts["clocks"].contains("held by another")),
        other => panic!("{other:?}"),
    }
    second.end();
    assert_eq!(first.clock_probe(), Some(Probe::Ok(0.0)));
    first.end();
    assert!(machine.as_found());
}

#[test]
fn a_setting_that_moves_is_seen() {
    let machine = Machine::new();
    let mut agent = machine.locked();
    machine.write(&format!("{CPU}/cpu1/cpufreq/scaling_governor"), "powersave");
    assert_eq!(agent.clock_probe(), Some(Probe::Bad(1.0)));
    // A holder that is gone is no lock either.
    kill(agent.holder(), Signal::SIGKILL).unwrap();
    assert!(matches!(agent.ask(&Request::Probe), Reply::Failed { .. }));
    agent.end();
}

#[test]
fn a_setting_that_does_not_take_is_refused_and_the_others_are_back() {
    let machine = Machine::new();
    let governor = machine.root().join(CPU).join("cpu1/cpufreq/scaling_governor");
    fs::remove_file(&governor).unwrap();
    symlink("/dev/null", &governor).unwrap();
    let mut agent = machine.agent();
    let error = agent.refused(ClockRequest::default());
    assert!(error.contains("cpu1/cpufreq/scaling_governor is ``, not `performance`"), "{error}");
    agent.end();
    let others = machine.knobs().into_iter().filter(|(name, _)| *name != "cpu1/cpufreq/scaling_governor");
    assert!(
        others.eq(FOUND
            .iter()
            .filter(|(n, _)| *n != "cpu1/cpufreq/scaling_governor")
            .map(|(n, v)| (*n, (*v).to_owned())))
    );
    assert!(!machine.stored());
}

#[test]
fn nothing_is_set_where_nothing_can_be_stored_or_controlled() {
    let machine = Machine::new();
    machine.write("var/lib/nasprof", "a file where the folder should be");
    let error = machine.agent().refused(ClockRequest::default());
    assert!(error.contains("cannot store") && error.contains("var/lib/nasprof"), "{error}");
    assert!(machine.as_found());

    let bare = Folder::default();
    let empty = Machine(bare);
    let error = empty.agent().refused(ClockRequest::default());
    assert!(error.contains("no settable clocks"), "{error}");
}

#[test]
fn a_damaged_or_hostile_store_changes_nothing() {
    let victim = "victim";
    let hostile = format!(
        "{{\"format_version\":1,\"boot\":\"first\",\"request\":{{}},\"settings\":[\
         {{\"control\":\"cpufreq\",\"name\":\"../../../../{victim}\",\"value\":\"x\"}},\
         {{\"control\":\"cpufreq\",\"name\":\"cpu0/cpufreq/../../../../../../{victim}\",\"value\":\"x\"}}]}}"
    );
    for (text, problem) in [
        ("", "cannot restore"),
        ("{\"format_version\":1", "cannot restore"),
        ("[1,2,3]", "cannot restore"),
        ("{\"format_version\":9,\"boot\":\"first\",\"request\":{},\"settings\":[]}", "format_version 9"),
        (hostile.as_str(), "restored"),
    ] {
        let machine = Machine::new();
        machine.write(victim, "untouched");
        machine.write("var/lib/nasprof/clocks.json", text);
        let words = machine.agent().end();
        assert!(words.contains(problem), "{text}: {words}");
        assert_eq!(fs::read_to_string(machine.root().join(victim)).unwrap(), "untouched");
        assert!(machine.as_found());
    }
}

/// Scripts that behave as the board's programs do: the mode is kept over a reboot, and bounds the clocks.
fn jetson() -> Machine {
    let machine = Machine::new();
    machine.write("mode", "1");
    machine.script(
        "usr/sbin/nvpmodel",
        "case $1 in\n -q) echo 'NV Power Mode: NAME'; cat $ROOT/mode;;\n -m) echo $2 > $ROOT/mode;;\nesac\n",
    );
    machine.script(
        "usr/bin/jetson_clocks",
        "case $1 in\n --store) [ ! -e $2 ] && for c in 0 1; do echo $(cat $CPU/cpu$c/cpufreq/scaling_min_freq); done > $2;;\n\
         --restore) { read a; read b; } < $2; echo $a > $CPU/cpu0/cpufreq/scaling_min_freq; echo $b > $CPU/cpu1/cpufreq/scaling_min_freq;;\n\
         *) for c in 0 1; do cat $CPU/cpu$c/cpufreq/scaling_max_freq > $CPU/cpu$c/cpufreq/scaling_min_freq; done;;\nesac\n",
    );
    machine
}

fn mode(machine: &Machine) -> String {
    fs::read_to_string(machine.root().join("mode")).unwrap().trim().to_owned()
}

#[test]
fn a_jetson_gets_its_mode_and_its_clocks_back() {
    let machine = jetson();
    let mut agent = machine.agent();
    match agent.configure(Some(ClockRequest { power_mode: Some("0".to_owned()), ..ClockRequest::default() })) {
        Reply::Configured(fingerprint) => {
            assert_eq!(fingerprint.facts["clocks"], "locked: mode=0 scaling_max_freq=3600000 scaling_min_freq=3600000");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(mode(&machine), "0");
    assert_eq!(agent.clock_probe(), Some(Probe::Ok(0.0)));
    agent.end();
    assert_eq!(mode(&machine), "1");
    assert!(machine.as_found() && !machine.stored());

    // The mode is kept over a reboot, so it is restored after one; the clocks are not.
    let mut agent = machine.agent();
    agent.configure(Some(ClockRequest { power_mode: Some("0".to_owned()), ..ClockRequest::default() }));
    kill(agent.holder(), Signal::SIGKILL).unwrap();
    agent.signal(Signal::SIGKILL);
    agent.child.wait().unwrap();
    machine.write("proc/sys/kernel/random/boot_id", "second\n");
    for (name, value) in FOUND {
        machine.write(&format!("{CPU}/{name}"), value);
    }
    machine.agent().end();
    assert_eq!(mode(&machine), "1");
    assert!(machine.as_found() && !machine.stored());
}

#[test]
fn a_jetson_that_lost_its_files_gets_mode_and_clocks_from_the_hosts_copy() {
    let machine = jetson();
    machine.write("etc/nvpmodel.conf", "< POWER_MODEL ID=0 NAME=MAXN >\n< POWER_MODEL ID=1 NAME=MODE_10W >\n");
    let by_name = |name: &str| ClockRequest { power_mode: Some(name.to_owned()), ..ClockRequest::default() };
    let (mut agent, copy) = locked_with_a_copy(&machine, &by_name("MAXN"));
    assert_eq!(mode(&machine), "0");
    kill_both(&mut agent);
    fs::remove_dir_all(machine.root().join("var/lib/nasprof")).unwrap();
    assert_eq!(restored(&machine, &copy), Restored::Now);
    assert_eq!(mode(&machine), "1");
    assert!(machine.as_found());

    let error = machine.agent().refused(by_name("MAXX"));
    assert!(error.contains("power mode `MAXX`: this board has MAXN, MODE_10W"), "{error}");
    // A mode that needs a reboot is asked about, and the question stays without an answer.
    machine.script(
        "usr/sbin/nvpmodel",
        "case $1 in\n -q) echo 'NV Power Mode: NAME'; cat $ROOT/mode;;\n -m) read answer; exit 0;;\nesac\n",
    );
    let error = machine.agent().refused(by_name("MAXN"));
    assert!(error.contains("sudo nvpmodel -m 0"), "{error}");
    assert!(machine.as_found() && mode(&machine) == "1");
}

#[test]
fn a_jetson_whose_script_does_nothing_is_refused() {
    let machine = jetson();
    machine.script("usr/bin/jetson_clocks", "case $1 in --store) echo x > $2;; esac\n");
    let mut agent = machine.agent();
    let error = agent.refused(ClockRequest { power_mode: Some("0".to_owned()), ..ClockRequest::default() });
    assert!(error.contains("still vary"), "{error}");
    agent.end();
    assert_eq!(mode(&machine), "1");
}

/// Commands of a device file, on the made-up machine.
fn commands(machine: &Machine, set: &str) -> ClockRequest {
    let root = machine.root().display();
    let governor = format!("{root}/{CPU}/cpu0/cpufreq/scaling_governor {root}/{CPU}/cpu1/cpufreq/scaling_governor");
    let commands = ClockCommands {
        store: format!("mkdir -p {root}/kept && cp --parents {governor} {root}/kept"),
        set: format!("echo {set} | tee {governor} >/dev/null"),
        restore: format!("cp -r {root}/kept/{root}/sys {root}/"),
    };
    ClockRequest { commands: Some(commands), ..ClockRequest::default() }
}

#[test]
fn the_commands_of_a_device_file_are_used_checked_and_undone() {
    let machine = Machine::new();
    let mut agent = machine.agent();
    match agent.configure(Some(commands(&machine, "performance"))) {
        Reply::Configured(fingerprint) => assert!(fingerprint.facts["clocks"].contains("scaling_governor=performance")),
        other => panic!("{other:?}"),
    }
    assert!(!machine.as_found());
    agent.signal(Signal::SIGKILL);
    agent.child.wait().unwrap();
    machine.wait_until_back();

    // Commands that fail, or that do nothing.
    let mut fails = commands(&machine, "performance");
    fails.commands.as_mut().unwrap().set = "exit 7".to_owned();
    let error = machine.agent().refused(fails);
    assert!(error.contains("exit status: 7"), "{error}");
    machine.wait_until_back();
    let error = machine.agent().refused(commands(&machine, "powersave"));
    assert!(error.contains("still vary"), "{error}");
    machine.wait_until_back();
}
