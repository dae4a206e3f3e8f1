//! Lines of the protocol on a pipe.

use std::io::{self, BufRead, Read};

/// The longest line either side accepts.
pub const MAX_LINE_BYTES: usize = 64 << 20;

/// The next line without its newline, `None` at the end of the input. Text without a final newline is not a line: its writer
/// died while writing.
///
/// # Errors
/// A line longer than [`MAX_LINE_BYTES`], text that is not UTF-8, or a broken pipe.
pub fn read_line(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let limit = MAX_LINE_BYTES as u64 + 1;
    input.by_ref().take(limit).read_until(b'\n', &mut line)?;
    if line.len() > MAX_LINE_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is longer than 64 MiB"));
    }
    if line.pop() != Some(b'\n') {
        return Ok(None);
    }
    String::from_utf8(line)
        .map(Some)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a line is not valid UTF-8"))
}
