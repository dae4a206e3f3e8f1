//! Parses the script's output into runs.

use super::script::MARK;

/// Maximum number of bytes that a login shell may print before the script's output.
const MAX_NOISE: usize = 1 << 16;
/// Maximum length of the line before a run's output: a word and five numbers.
const MAX_LINE: usize = 200;

/// One run of the command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommandRun {
    /// Exit code; above 128 if a signal ended it.
    pub status: u32,
    /// Whether it was killed at the deadline.
    pub late: bool,
    /// Its output, stderr included.
    pub printed: Vec<u8>,
    /// The profile.
    pub profile: Fetched,
    /// The times.
    pub times: Fetched,
}

/// A file that a command may have written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Fetched {
    /// The file does not exist.
    #[default]
    Missing,
    /// There are several such files.
    Several,
    /// The file is too large; its size in bytes.
    TooLarge(u64),
    /// Its content.
    File(Vec<u8>),
}

/// Takes the script's output piece by piece and finds the runs in it.
#[derive(Debug)]
pub struct Frames {
    buffer: Vec<u8>,
    most: u64,
    /// Complete runs; the caller takes them out.
    pub runs: Vec<CommandRun>,
    begun: bool,
}

impl Frames {
    /// A parser for files of at most `most` bytes.
    #[must_use]
    pub fn new(most: u64) -> Self {
        Self { buffer: Vec::new(), most, runs: Vec::new(), begun: false }
    }

    /// Takes a piece of the output.
    ///
    /// # Errors
    /// If the output is not in the expected format.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.buffer.extend_from_slice(bytes);
        while let Some((run, length)) = self.first()? {
            self.buffer.drain(..length);
            self.runs.push(run);
            self.begun = true;
        }
        Ok(())
    }

    /// The output that belongs to no run, such as the script's last words before it fails.
    #[must_use]
    pub fn rest(&self) -> String {
        String::from_utf8_lossy(&self.buffer).into_owned()
    }

    /// The first run and its length in bytes, once it is complete.
    fn first(&mut self) -> Result<Option<(CommandRun, usize)>, String> {
        let mark = format!("{MARK} ");
        let at_line = |at: usize| at == 0 || self.buffer[at - 1] == b'\n';
        let mut places = 0..self.buffer.len().min(MAX_NOISE);
        let Some(at) = places.find(|&at| at_line(at) && self.buffer[at..].starts_with(mark.as_bytes())) else {
            return match self.buffer.len() >= MAX_NOISE + mark.len() {
                true => Err("unexpected output instead of a run's".to_owned()),
                false => Ok(None),
            };
        };
        if at > 0 && self.begun {
            return Err("a run has more bytes than it says".to_owned());
        }
        let Some(end) = self.buffer[at..].iter().take(MAX_LINE).position(|&b| b == b'\n').map(|end| at + end) else {
            return match self.buffer.len() - at > MAX_LINE {
                true => Err("the line before a run's output does not end".to_owned()),
                false => Ok(None),
            };
        };
        let line = String::from_utf8_lossy(&self.buffer[at + mark.len()..end]).into_owned();
        let wrong = || format!("cannot read its line `{}`", line.escape_debug());
        let &[status, late, printed, profile, times] = &line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(wrong());
        };
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let status = status.parse().ok().filter(|_| digits(status)).ok_or_else(wrong)?;
        let late = match late {
            "0" => false,
            "1" => true,
            _ => return Err(wrong()),
        };
        let [Some(printed), Some(profile), Some(times)] = [printed, profile, times].map(|text| self.length(text))
        else {
            return Err(wrong());
        };
        let Length::Bytes(_) = printed else { return Err(wrong()) };
        let total =
            [&printed, &profile, &times].iter().fold(end + 1, |total, length| total.saturating_add(length.bytes()));
        if self.buffer.len() < total {
            return Ok(None);
        }
        let mut rest = &self.buffer[end + 1..total];
        let mut file = |length: Length| {
            let (content, after) = rest.split_at(length.bytes());
            rest = after;
            match length {
                Length::Bytes(_) => Fetched::File(content.to_vec()),
                Length::Without(fetched) => fetched,
            }
        };
        let (printed, profile, times) = (file(printed), file(profile), file(times));
        let printed = if let Fetched::File(printed) = printed { printed } else { Vec::new() };
        Ok(Some((CommandRun { status, late, printed, profile, times }, total)))
    }

    fn length(&self, text: &str) -> Option<Length> {
        Some(match text {
            "-" => Length::Without(Fetched::Missing),
            "+" => Length::Without(Fetched::Several),
            // `+1` is refused, although it would parse as a number.
            number if number.starts_with('+') => return None,
            number => match number.parse().ok()? {
                bytes if bytes > self.most => Length::Without(Fetched::TooLarge(bytes)),
                bytes => Length::Bytes(usize::try_from(bytes).ok()?),
            },
        })
    }
}

/// The length that a line states for a file.
enum Length {
    Bytes(usize),
    Without(Fetched),
}

impl Length {
    fn bytes(&self) -> usize {
        if let Self::Bytes(bytes) = self { *bytes } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_taken_in_any_pieces() {
        let text = b"Welcome!\nnasprof-run 0 0 3 - 2\nabc42nasprof-run 137 1 0 999 +\nnasprof-run 1 0 0 0 -\n";
        for size in [1, 2, 7, text.len()] {
            let mut frames = Frames::new(100);
            text.chunks(size).for_each(|piece| frames.take(piece).unwrap());
            let file = |text: &str| Fetched::File(text.as_bytes().to_vec());
            assert_eq!(
                frames.runs,
                [
                    CommandRun { printed: b"abc".to_vec(), times: file("42"), ..CommandRun::default() },
                    CommandRun {
                        status: 137,
                        late: true,
                        profile: Fetched::TooLarge(999),
                        times: Fetched::Several,
                        ..CommandRun::default()
                    },
                    CommandRun { status: 1, profile: file(""), ..CommandRun::default() },
                ]
            );
            assert_eq!(frames.rest(), "");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in [
            "nasprof-run 0 0 3\n",
            "nasprof-run x 0 0 0 0\n",
            "nasprof-run 0 0 -1 0 0\n",
            "nasprof-run 0 2 0 0 0\n",
            "nasprof-run +0 0 0 0 0\n",
            "nasprof-run 0 0 +1 0 0\nx",
            "nasprof-run 0 0 3 - -\nabcdnasprof-run 0 0 0 - -\nnasprof-run",
        ] {
            let mut frames = Frames::new(100);
            assert!(frames.take(text.as_bytes()).is_err() || frames.runs.len() < 2, "{text}");
        }
        let mut frames = Frames::new(100);
        assert!(frames.take(&vec![b'x'; MAX_NOISE + 100]).is_err());
        // A line without an end does not fill the memory.
        let mut frames = Frames::new(100);
        frames.take(b"nasprof-run ").unwrap();
        assert!(frames.take(&[b'1'; MAX_LINE]).is_err());
        // Extra bytes after a run are an error, even if the run was already taken out. The control: bytes before the first
        // run come from a login shell, even if they contain the mark.
        let mut frames = Frames::new(100);
        frames.take(b"x nasprof-run 1\nnasprof-run 0 0 0 - -\n").unwrap();
        assert_eq!(frames.runs.drain(..).count(), 1);
        assert!(frames.take(b"more\nnasprof-run 0 0 0 - -\n").is_err());
        // Nothing is made of a run that is not there as a whole.
        let mut frames = Frames::new(100);
        frames.take(b"nasprof-run 0 0 3 - -\nab").unwrap();
        assert!(frames.runs.is_empty());
    }
}
