//! A real interface that goes down: host and board in network namespaces of their own, joined by a virtual cable. Only
//! root can make them.

use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nasprof_testkit::skip::skip;

use crate::board::{Board, unlinked};
use crate::harness::Ran;
use crate::link::Listener;
use crate::processes::wait_until;

/// Two namespaces, removed when this is dropped.
struct Wire {
    host: String,
    board: String,
}

const BOARD: &str = "10.77.0.2";

/// Takes seconds, so that it is not over before the interface is down; nothing converges as far as this asks for.
const LONG: &str = "measure --device board --space small.toml --mode isolated --sessions 1 --max-rounds 200 --ci 0.000001 \
                    -o a.parquet";

/// Much less than what the kernel waits for a peer.
const SHORT: Duration = Duration::from_secs(2);

impl Wire {
    fn new() -> Option<Self> {
        let name = |end: &str| format!("nasprof-{}-{end}", std::process::id());
        let wire = Self { host: name("host"), board: name("board") };
        if !ip(&format!("netns add {}", wire.host)) || !ip(&format!("netns add {}", wire.board)) {
            skip("network namespaces cannot be made here (that needs root and `ip` of iproute2)");
            return None;
        }
        // Both ends are made inside: nothing of this is ever in the machine's own network.
        let (host, board) = (&wire.host, &wire.board);
        let made = ip(&format!("-n {host} link add near type veth peer name far netns {board}"))
            && ip(&format!("-n {host} addr add 10.77.0.1/24 dev near"))
            && ip(&format!("-n {board} addr add {BOARD}/24 dev far"))
            && ip(&format!("-n {host} link set near up"))
            && ip(&format!("-n {board} link set lo up"))
            && wire.set("up");
        if !made {
            skip("this kernel has no virtual cables (veth)");
        }
        made.then_some(wire)
    }

    fn set(&self, state: &str) -> bool {
        ip(&format!("-n {} link set far {state}", self.board))
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        ip(&format!("netns del {}", self.host));
        ip(&format!("netns del {}", self.board));
    }
}

fn ip(line: &str) -> bool {
    let command = Command::new("ip").args(line.split(' ')).stdin(Stdio::null()).stderr(Stdio::null()).status();
    command.is_ok_and(|status| status.success())
}

#[test]
fn an_interface_that_goes_down_is_noticed_by_the_kernel_and_waited_for() {
    if !nix::unistd::geteuid().is_root() {
        skip("network namespaces need root");
        return;
    }
    let Some(wire) = Wire::new() else { return };
    let Some(board) = Board::with("", &["ip", "netns", "exec", &wire.board], BOARD) else { return };
    let folder = board.folder_at(BOARD, board.port, "");
    let alone = unlinked();
    alone.fails(LONG, 3, "");
    let expected = alone.read("a.parquet");
    let line = |words: &str| {
        let inner = folder.command(words);
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &wire.host]).arg(inner.get_program()).args(inner.get_args());
        command.current_dir(inner.get_current_dir().unwrap());
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null());
        command
    };
    let run = |words: &str| -> Ran { line(words).output().unwrap().into() };
    wait_until("sshd answers in its namespace", || run("devices check board").code == Some(0));
    // Control: the board is reachable from there and not from here.
    let here =
        TcpStream::connect_timeout(&format!("{BOARD}:{}", board.port).parse().unwrap(), Duration::from_millis(300));
    assert!(here.is_err());

    let measure = format!("{LONG} --set silence_seconds=600");
    // Down until the kernel has given the connection up: it does within seconds of the next request, though the agent's own
    // sign of life would take longer.
    let child = line(&measure).spawn().unwrap();
    wait_until("the measurement has begun", || folder.path("a.journal.jsonl").exists());
    assert!(wire.set("down"));
    let mut host = Listener::to(child);
    host.wait_for("retrying");
    assert!(wire.set("up"));
    let ran = host.finish();
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert_eq!(folder.read("a.parquet"), expected);
    wait_until("no process is left on the board", || board.agents().is_empty());

    // Short: the connection lives through it. A machine that is busy may make it long, and then it says nothing.
    for attempt in 0.. {
        std::fs::remove_file(folder.path("a.journal.jsonl")).unwrap();
        let child = line(&measure).spawn().unwrap();
        wait_until("the measurement has begun", || folder.path("a.journal.jsonl").exists());
        let started = Instant::now();
        assert!(wire.set("down"));
        thread::sleep(Duration::from_millis(500));
        assert!(wire.set("up"));
        let was_short = started.elapsed() < SHORT;
        let ran: Ran = child.wait_with_output().unwrap().into();
        assert_eq!(ran.code, Some(3), "{}", ran.stderr);
        assert_eq!(folder.read("a.parquet"), expected);
        if was_short {
            assert!(!ran.stderr.contains("retrying"), "{}", ran.stderr);
            return;
        }
        assert!(attempt < 20, "the machine is too busy for a short break");
    }
}
