//! Promise: a journal is read back exactly as it was written, or refused with the number of the damaged line. Only a
//! last line without its end, cut off while being written, is dropped, and that is reported.
//!
//! A program of its own: one of its tests starts a process, which holds the locks of the others for a moment.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use nasprof_profiler::journal::{Event, JournalError, Mode, Writer, read, read_file};
use nasprof_profiler::protocol::{Canary, Probe, Probes, Run, Visit};
use nasprof_testkit::engine::{Folder, header, small_space};
use proptest::prelude::*;

/// A header and a few events of different kinds.
fn events() -> Vec<Event> {
    let run = |ns| Run { ns: vec![ns, ns + 1], switches: 0, faults: 3 };
    let visit = |sequence| Visit {
        sequence,
        workload: 0,
        layers: vec![run(1000)],
        whole: vec![run(2000)],
        queued: None,
        conditions: None,
    };
    let probes = Probes { values: [("temperature_celsius".to_owned(), Probe::Ok(0.1 + 0.2))].into(), busy: Vec::new() };
    vec![
        Event::Header(Box::new(header(&small_space(), Mode::InContext, u64::MAX))),
        Event::Planned,
        Event::Canary { round: 0, times: Canary { compute_ns: vec![1, 2], memory_ns: vec![3] } },
        Event::Visit { round: 1, visit: visit(0) },
        Event::Visit { round: 1, visit: visit(1) },
        Event::Void { sequences: vec![0, 1], reason: "\u{e9}\n\"quoted\"".to_owned() },
        Event::Round { round: 1, probes },
        Event::Complete,
    ]
}

fn write(path: &Path, events: &[Event]) {
    let mut writer = Writer::create(path).unwrap();
    for event in events {
        writer.append(event).unwrap();
    }
    writer.sync().unwrap();
}

fn written() -> Vec<u8> {
    let folder = Folder::default();
    let path = folder.file("journal");
    write(&path, &events());
    std::fs::read(path).unwrap()
}

fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|&b| b == b'\n').collect()
}

/// The line a damaged journal is refused for.
fn refused_line(bytes: &[u8]) -> usize {
    match read(bytes) {
        Err(JournalError::Damaged { line, .. }) => line,
        other => panic!("not refused for a line: {other:?}"),
    }
}

/// Control of all that follows: what is not damaged is read back bit for bit.
#[test]
fn an_undamaged_journal_is_read_back_exactly() {
    let bytes = written();
    let recovered = read(&bytes).unwrap();
    assert_eq!(recovered.events, events());
    assert_eq!(recovered.valid_bytes, bytes.len() as u64);
    assert_eq!(recovered.torn_line, None);
}

#[test]
fn a_torn_last_line_is_dropped_and_reported_wherever_it_was_cut() {
    let bytes = written();
    let lines = lines(&bytes);
    let header = lines[0].len();
    for cut in header..bytes.len() {
        let recovered = read(&bytes[..cut]).unwrap();
        let ends: Vec<usize> = (0..bytes.len()).filter(|&i| bytes[i] == b'\n').map(|i| i + 1).collect();
        let whole = ends.iter().filter(|&&end| end <= cut).count();
        assert_eq!(recovered.events, events()[..whole], "cut at {cut}");
        assert_eq!(recovered.valid_bytes, ends[whole - 1] as u64);
        assert_eq!(recovered.torn_line, (!ends.contains(&cut)).then_some(whole + 1));
    }
    for cut in 0..header {
        assert!(matches!(read(&bytes[..cut]), Err(JournalError::Header(_))), "cut at {cut}");
    }
}

#[test]
fn resuming_cuts_the_torn_line_off_and_goes_on_behind_it() {
    let folder = Folder::default();
    let path = folder.file("journal");
    let bytes = written();
    let kept: usize = lines(&bytes)[..4].iter().map(|l| l.len()).sum();
    std::fs::write(&path, &bytes[..kept + 7]).unwrap();
    let (recovered, mut writer) = Writer::resume(&path).unwrap();
    assert_eq!(recovered.torn_line, Some(5));
    for event in &events()[4..] {
        writer.append(event).unwrap();
    }
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    // Control: without the cut the rest of the old line damages the new one.
    let mut uncut = bytes[..kept + 7].to_vec();
    uncut.extend_from_slice(&bytes[kept..]);
    assert_eq!(refused_line(&uncut), 5);
}

#[test]
fn every_flipped_bit_is_refused_with_its_line_or_was_the_last_line_end() {
    let bytes = written();
    for position in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[position] ^= 1 << bit;
            let line = 1 + bytes[..position].iter().filter(|&&b| b == b'\n').count();
            if position + 1 == bytes.len() {
                let recovered = read(&damaged).unwrap();
                assert_eq!(recovered.torn_line, Some(line));
                assert_eq!(recovered.events, events()[..line - 1]);
            } else {
                assert_eq!(refused_line(&damaged), line, "bit {bit} of byte {position}");
            }
        }
    }
}

#[test]
fn flips_in_an_unfinished_last_line_change_nothing() {
    let bytes = written();
    let whole: usize = lines(&bytes)[..5].iter().map(|l| l.len()).sum();
    for position in whole..whole + 20 {
        let mut damaged = bytes[..whole + 20].to_vec();
        damaged[position] ^= 0x80;
        let recovered = read(&damaged).unwrap();
        assert_eq!((recovered.events, recovered.torn_line), (events()[..5].to_vec(), Some(6)));
    }
}

#[test]
fn duplicated_removed_and_swapped_lines_are_refused() {
    let bytes = written();
    let lines = lines(&bytes);
    for i in 0..lines.len() {
        let mut duplicated = lines.clone();
        duplicated.insert(i, lines[i]);
        assert_eq!(refused_line(&duplicated.concat()), i + 2);
        if i + 1 < lines.len() {
            let mut removed = lines.clone();
            removed.remove(i);
            assert_eq!(refused_line(&removed.concat()), i + 1);
            let mut swapped = lines.clone();
            swapped.swap(i, i + 1);
            assert_eq!(refused_line(&swapped.concat()), i + 1);
        }
    }
}

/// A line renumbered by hand has the right number and, because the checksum covers it, the wrong checksum.
#[test]
fn renumbered_lines_are_refused() {
    let text = String::from_utf8(written()).unwrap();
    let mut renumbered = String::new();
    for (i, line) in text.lines().filter(|l| !l.contains("\"sequence\":3,\"crc\"")).enumerate() {
        let (_, rest) = line.split_once(",\"crc\"").unwrap();
        writeln!(renumbered, "{{\"sequence\":{i},\"crc\"{rest}").unwrap();
    }
    assert_eq!(refused_line(renumbered.as_bytes()), 4);
}

#[test]
fn other_versions_missing_headers_and_empty_files_are_refused() {
    let folder = Folder::default();
    let mut other = header(&small_space(), Mode::InContext, 0);
    other.format_version = 2;
    write(&folder.file("version"), &[Event::Header(Box::new(other))]);
    let error = read_file(&folder.file("version")).unwrap_err().to_string();
    assert!(error.contains("format_version 2"), "{error}");

    write(&folder.file("headless"), &events()[1..]);
    assert!(matches!(read_file(&folder.file("headless")), Err(JournalError::Header(_))));

    // What is no journal is not cut; a journal that was killed within its header is begun anew.
    for (text, is_journal) in [("", true), ("{\"sequ", true), ("{\"sequence\":0,\"crc\":\"", true), ("notes", false)] {
        std::fs::write(folder.file("begun"), text).unwrap();
        assert!(matches!(read_file(&folder.file("begun")), Err(JournalError::Header(_))), "{text}");
        match Writer::resume(&folder.file("begun")) {
            Ok((recovered, _)) => assert!(is_journal && recovered.events.is_empty(), "{text}"),
            Err(error) => assert!(!is_journal && matches!(error, JournalError::Header(_)), "{text}: {error}"),
        }
        let left = std::fs::read_to_string(folder.file("begun")).unwrap();
        assert_eq!(left, if is_journal { "" } else { text });
    }
    assert!(Writer::resume(&folder.file("headless")).is_err());
    assert!(matches!(read_file(&folder.file("absent")), Err(JournalError::File { .. })));
    assert!(matches!(read_file(folder.path()), Err(JournalError::File { .. })));
}

#[test]
fn huge_garbage_is_refused() {
    assert!(matches!(read(&vec![0; 64 << 20]), Err(JournalError::Header(_))));
    assert_eq!(refused_line(&vec![b'\n'; 16 << 20]), 1);
    let mut deep = vec![b'['; 8 << 20];
    deep.push(b'\n');
    assert_eq!(refused_line(&deep), 1);
    let mut behind = written();
    behind.extend(std::iter::repeat_n(0xff, 8 << 20));
    assert_eq!(read(&behind).unwrap().torn_line, Some(9));
    behind.push(b'\n');
    assert_eq!(refused_line(&behind), 9);
}

/// A process holds the locks of the one that starts it until it runs its own program, so the test that starts one and
/// the test that looks at a lock take turns.
static STARTING: Mutex<()> = Mutex::new(());

#[test]
fn a_second_writer_is_refused_while_the_first_lives() {
    let _turn = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = Folder::default();
    let path = folder.file("journal");
    let mut first = Writer::create(&path).unwrap();
    events()[..2].iter().for_each(|event| first.append(event).unwrap());
    assert!(matches!(Writer::resume(&path), Err(JournalError::InUse(_))));
    assert!(matches!(Writer::create(&path), Err(JournalError::File { .. })));
    drop(first);
    // Control: the lock goes with its owner.
    assert_eq!(Writer::resume(&path).unwrap().0.events, events()[..2]);
}

/// Without a limit on what is read, a file of unknown length (such as this one) would fill the memory.
#[test]
fn a_file_without_an_end_is_refused() {
    let full = Path::new("/dev/full");
    if !full.exists() {
        nasprof_testkit::skip::skip("this machine has no /dev/full");
        return;
    }
    assert!(matches!(Writer::resume(full), Err(JournalError::File { .. })));
    assert!(matches!(read_file(Path::new("/dev/zero")), Err(JournalError::File { .. })));
}

/// Runs in a process whose files may not grow beyond a few blocks; see [`a_full_disk_is_an_error_and_resumable`].
#[test]
#[ignore = "started by another test, in a process with limits"]
fn child_that_writes_until_it_fails() {
    let path = std::env::var_os("NASPROF_TEST_JOURNAL").unwrap();
    let mut writer = Writer::create(Path::new(&path)).unwrap();
    let events = events();
    writer.append(&events[0]).unwrap();
    let error = (0..1000).find_map(|_| writer.append(&events[5]).err());
    assert!(matches!(error, Some(JournalError::File { .. })), "{error:?}");
}

#[test]
fn a_full_disk_is_an_error_and_resumable() {
    let _turn = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = Folder::default();
    let path = folder.file("journal");
    // The limit's signal is ignored, so that writing fails as it does on a full disk.
    let status = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" --exact child_that_writes_until_it_fails --ignored"])
        .arg(std::env::current_exe().unwrap())
        .env("NASPROF_TEST_JOURNAL", &path)
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let torn = read_file(&path).unwrap();
    assert!(torn.events.len() > 5);
    assert_eq!(torn.torn_line, Some(torn.events.len() + 1));
    let (_, mut writer) = Writer::resume(&path).unwrap();
    writer.append(&Event::Complete).unwrap();
    let healed = read_file(&path).unwrap();
    assert_eq!((healed.events.len(), healed.torn_line), (torn.events.len() + 1, None));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens to the bytes: no panic, and what is read is a beginning of what was written.
    #[test]
    fn random_mutations_never_change_what_is_read(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..4, any::<u8>(), 0_usize..200), 1..6),
    ) {
        thread_local!(static WRITTEN: Vec<u8> = written());
        let mut bytes = WRITTEN.with(Clone::clone);
        for (at, kind, byte, length) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            let end = (at + length).min(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => drop(bytes.drain(at..end)),
                2 => bytes.insert(at, byte),
                _ => {
                    let copy = bytes[at..end].to_vec();
                    bytes.splice(at..at, copy);
                }
            }
        }
        if let Ok(recovered) = read(&bytes) {
            prop_assert!(events().starts_with(&recovered.events));
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(read(&bytes).is_err());
    }
}
