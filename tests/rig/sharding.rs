//! Two boards that share the work of one LUT, with clocks to lock and a host that is interrupted.

use std::fs;

use nix::sys::signal::Signal;

use crate::cable::Cable;
use crate::clocks::Clocked;
use crate::harness::Folder;
use crate::link::{AT_WORK, Listener, begin};
use crate::processes::wait_until;

const SHARD: &str = "measure --device board-a,board-b --shard --space small.toml -o one.parquet --lock-clocks --energy";

/// A folder that knows both boards, the second one behind a cable; with it the folders that hold their known hosts.
fn folder(boards: &[Clocked; 2], cable: &Cable) -> (Folder, [Folder; 2]) {
    let parts = [boards[0].folder(), boards[1].board.folder(cable.port)];
    let folder = Folder::new();
    let devices = folder.path("nasprof/devices");
    fs::create_dir_all(&devices).unwrap();
    for (name, part) in ["board-a", "board-b"].iter().zip(&parts) {
        fs::copy(part.path("nasprof/devices/board.toml"), devices.join(format!("{name}.toml"))).unwrap();
    }
    (folder, parts)
}

#[test]
fn an_interrupted_share_gives_the_clocks_back_and_is_resumed_to_the_same_bytes() {
    let (Some(a), Some(b)) = (Clocked::new(), Clocked::new()) else { return };
    let boards = [a, b];
    let cable = Cable::to(boards[1].board.port);
    let governors = || boards.each_ref().map(Clocked::governor);
    let (whole, _known) = folder(&boards, &cable);
    whole.ok(SHARD);
    assert_eq!(governors(), ["ondemand"; 2]);
    assert!(whole.ok("lut show one.parquet").contains("energy of"));

    let (cut, _known) = folder(&boards, &cable);
    cable.hold_after(AT_WORK);
    let mut host = Listener::to(begin(&cut, SHARD));
    // Signs of life pass as well: by how many bytes the clocks are locked depends on how fast the machine is.
    host.wait_until("the clocks are locked", || {
        let are_locked = governors() == ["performance"; 2];
        if !are_locked {
            cable.let_some_pass();
        }
        are_locked
    });
    cable.wait_until_held();
    host.signal(Signal::SIGINT);
    cable.let_go();
    let ran = host.finish();
    assert_eq!(ran.code, Some(5), "{}", ran.stderr);
    assert!(ran.stderr.contains("interrupted") && ran.stderr.contains("--resume"), "{}", ran.stderr);
    assert!(!cut.path("one.parquet").exists());
    wait_until("the clocks are back", || governors() == ["ondemand"; 2]);
    wait_until("no process is left on a board", || boards.iter().all(|b| b.board.agents().is_empty()));
    cut.ok(&format!("{SHARD} --resume"));
    assert_eq!(cut.read("one.parquet"), whole.read("one.parquet"));
    // Control: another seed gives other bytes.
    let (other, _known) = folder(&boards, &cable);
    other.ok(&format!("{SHARD} --seed 1"));
    assert_ne!(other.read("one.parquet"), whole.read("one.parquet"));
}
