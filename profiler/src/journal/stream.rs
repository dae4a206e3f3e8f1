//! Reads a journal file block by block: all processors parse lines in parallel, and only a few blocks are in memory.

use std::fs::{self, File};
use std::io::{self, Read};
use std::num::NonZero;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use super::error::JournalError;
use super::event::Event;
use super::line::{check_header, parse};

/// A journal of a few hours stays far below this.
const MAX_BYTES: u64 = 2 << 30;
/// Large enough to make the cost of starting threads negligible.
const BLOCK_BYTES: u64 = 2 << 20;
/// More threads would only wait for the consumer of the events.
const MOST_THREADS: usize = 8;

/// How far a journal was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadTo {
    /// Bytes up to the end of the last whole line.
    pub valid_bytes: u64,
    /// Number of an incomplete last line, if there is one.
    pub torn_line: Option<usize>,
}

/// Reads a journal file and passes each event to `take`, in the order of the file. Events before an error are passed before
/// the error is returned.
///
/// # Errors
/// If it cannot be read or is damaged anywhere but in an unfinished last line.
pub fn read_file_with(path: &Path, take: impl FnMut(Event)) -> Result<ReadTo, JournalError> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
    let fail = |source| JournalError::File { path: path.display().to_string(), source };
    read_with(open(path)?, Blocks { bytes: BLOCK_BYTES, threads }, &fail, take)
}

/// Opens a journal, which must be a regular file of at most 2 GiB.
pub(super) fn open(path: &Path) -> Result<impl Read + use<>, JournalError> {
    let fail = |source| JournalError::File { path: path.display().to_string(), source };
    let metadata = fs::metadata(path).map_err(fail)?;
    // A device or a pipe has no length, may be endless, and may block when opened.
    if !metadata.is_file() {
        return Err(fail(io::Error::other("not a regular file")));
    }
    if metadata.len() > MAX_BYTES {
        return Err(fail(io::Error::other("the file is larger than 2 GiB")));
    }
    // The file may still be growing.
    Ok(File::open(path).map_err(fail)?.take(MAX_BYTES))
}

/// Minimum size of a block, and how many blocks are parsed in parallel.
#[derive(Clone, Copy)]
struct Blocks {
    bytes: u64,
    threads: usize,
}

fn read_with(
    mut input: impl Read,
    blocks: Blocks,
    fail: &impl Fn(io::Error) -> JournalError,
    mut take: impl FnMut(Event),
) -> Result<ReadTo, JournalError> {
    let (mut rest, mut lines, mut read) = (Vec::new(), 0, ReadTo { valid_bytes: 0, torn_line: None });
    let mut is_first = true;
    loop {
        // Blocks of complete lines, each with the number of lines before it.
        let mut ready: Vec<(usize, Vec<u8>)> = Vec::new();
        while ready.len() < blocks.threads
            && let Some(block) = next_block(&mut input, &mut rest, blocks.bytes).map_err(fail)?
        {
            let before = lines;
            lines += block.iter().filter(|&&b| b == b'\n').count();
            read.valid_bytes += block.len() as u64;
            ready.push((before, block));
        }
        if ready.is_empty() {
            break;
        }
        thread::scope(|scope| {
            let (last, others) = ready.split_last().unzip();
            let others: Vec<_> =
                others.unwrap_or_default().iter().map(|block| scope.spawn(|| parse_lines(block))).collect();
            let last = last.map(parse_lines);
            let others = others.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
            for (events, fault) in others.chain(last) {
                if is_first && !(events.is_empty() && fault.is_some()) {
                    check_header(events.first())?;
                    is_first = false;
                }
                events.into_iter().for_each(&mut take);
                fault.map_or(Ok(()), Err)?;
            }
            Ok(())
        })?;
    }
    if is_first {
        check_header(None)?;
    }
    read.torn_line = (!rest.is_empty()).then_some(lines + 1);
    Ok(read)
}

/// The next complete lines; the text after the last newline stays in `rest`.
fn next_block(input: &mut impl Read, rest: &mut Vec<u8>, bytes: u64) -> io::Result<Option<Vec<u8>>> {
    loop {
        let known = rest.len();
        let count = input.by_ref().take(bytes).read_to_end(rest)?;
        if let Some(end) = rest[known..].iter().rposition(|&b| b == b'\n') {
            let after = rest.split_off(known + end + 1);
            return Ok(Some(std::mem::replace(rest, after)));
        }
        if count == 0 {
            return Ok(None);
        }
    }
}

/// Events up to the first damaged line.
fn parse_lines((before, block): &(usize, Vec<u8>)) -> (Vec<Event>, Option<JournalError>) {
    let mut events = Vec::new();
    for (number, text) in (*before..).zip(block.split_inclusive(|&b| b == b'\n')) {
        match parse(text.strip_suffix(b"\n").unwrap_or(text), number as u64) {
            Ok(event) => events.push(event),
            Err(problem) => return (events, Some(JournalError::Damaged { line: number + 1, problem })),
        }
    }
    (events, None)
}

#[cfg(test)]
mod tests {
    use super::super::line::checksum;
    use super::super::read;
    use super::*;

    fn journal(lines: usize) -> Vec<u8> {
        let header = r#"{"event":"header","format_version":1,"program_version":"t","device":"d","backend":"b","space":"s","space_digest":"0","runtime":"torch_eager","mode":"in_context","batch":1,"threads":1,"cores":[],"allocator":"retain","ci":0.01,"sessions":1,"max_rounds":1,"seed":0,"allow_noisy":false}"#;
        let texts = std::iter::once(header.to_owned()).chain(
            (1..lines)
                .map(|i| format!(r#"{{"event":"void","sequences":[{i}],"reason":"{}"}}"#, "x".repeat(i * 7 % 50))),
        );
        let line = |(i, event): (u64, String)| {
            format!("{{\"sequence\":{i},\"crc\":\"{}\",\"event\":{event}}}\n", checksum(i, &event))
        };
        (0..).zip(texts).map(line).collect::<String>().into_bytes()
    }

    /// What [`read`] says of all bytes at once.
    fn streamed(bytes: &[u8], blocks: Blocks) -> Result<(Vec<Event>, ReadTo), String> {
        let mut events = Vec::new();
        let fail = |source| JournalError::File { path: String::new(), source };
        let read = read_with(bytes, blocks, &fail, |event| events.push(event)).map_err(|e| e.to_string())?;
        Ok((events, read))
    }

    #[test]
    fn blocks_of_any_size_hold_the_same_events_and_faults() {
        let whole = journal(60);
        let mut cases = vec![whole.clone(), Vec::new(), whole[..1].to_vec(), b"\n".to_vec(), vec![b'\n'; 9]];
        cases.extend((0..40).map(|i| whole[..whole.len() - i * 97].to_vec()));
        cases.extend((0..60).map(|i| {
            let mut damaged = whole.clone();
            let at = i * 131 % whole.len();
            damaged[at] ^= 1;
            damaged
        }));
        let mut second = journal(3);
        second.drain(..second.iter().position(|&b| b == b'\n').expect("a line") + 1);
        cases.push(second);
        let mut seen = (0, 0);
        for bytes in &cases {
            let at_once = read(bytes)
                .map(|r| (r.events, ReadTo { valid_bytes: r.valid_bytes, torn_line: r.torn_line }))
                .map_err(|e| e.to_string());
            for (size, threads) in [(1, 1), (1, 3), (100, 2), (1000, 4), (1 << 20, 2)] {
                assert_eq!(
                    streamed(bytes, Blocks { bytes: size, threads }),
                    at_once,
                    "{size} bytes, {threads} threads"
                );
            }
            if at_once.is_ok() { seen.0 += 1 } else { seen.1 += 1 }
        }
        assert!(seen.0 > 30 && seen.1 > 50, "{seen:?}");
    }
}
