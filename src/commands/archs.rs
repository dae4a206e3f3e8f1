//! Reads architectures: one from a file, or several in sequence.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use nasprof_graph::Arch;
use nasprof_graph::arch::{ArchError, ArchFile};
use nasprof_spaces::Space;

use crate::failure::Failure;

/// Maximum bytes of an architecture; a real one has a few kilobytes.
const MAX_TEXT: usize = 16 << 20;
/// Buffer size: some hundred architectures.
const BUFFER: usize = 1 << 20;

/// The architectures of a file, or of stdin for `-`, each with its place.
pub(super) struct Archs {
    input: BufReader<Box<dyn Read>>,
    /// Lines that were read and put back.
    pending: VecDeque<String>,
    /// The input's name in messages.
    name: String,
    /// Whether the input is a file that ends in `.json`, which holds a single architecture.
    one: bool,
    line: usize,
    read: usize,
}

impl Archs {
    /// Opens the input without reading it.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Ok(Self::new(Box::new(io::stdin()), "standard input".to_owned(), false));
        }
        let name = format!("--arch {}", path.display());
        let file = File::open(path).map_err(|e| Failure::usage(format!("{name}: {e}")))?;
        let one = path.extension().is_some_and(|ending| ending == "json");
        Ok(Self::new(Box::new(file), name, one))
    }

    fn new(input: Box<dyn Read>, name: String, one: bool) -> Self {
        let input = BufReader::with_capacity(BUFFER, input);
        Self { input, pending: VecDeque::new(), name, one, line: 0, read: 0 }
    }

    /// Whether the input holds at most one architecture.
    pub(super) fn is_one(&self) -> bool {
        self.one
    }

    /// The lines that can be read without waiting, but at least one; none at the end. The caller reports each line as
    /// done ([`Archs::took`]) or puts it back.
    pub(super) fn lines(&mut self) -> Result<Vec<String>, Failure> {
        let mut lines: Vec<String> = self.pending.drain(..).collect();
        while lines.is_empty() || self.input.buffer().contains(&b'\n') {
            let mut line = String::new();
            if self.read_into(&mut line)? == 0 {
                break;
            }
            lines.push(line);
        }
        Ok(lines)
    }

    /// Counts lines as done, and the architectures that they held.
    pub(super) fn took(&mut self, lines: usize, archs: usize) {
        self.line += lines;
        self.read += archs;
    }

    /// Returns lines for [`Archs::next`] to read.
    pub(super) fn put_back(&mut self, lines: Vec<String>) {
        self.pending.extend(lines);
    }

    /// Whether lines that were put back are left for [`Archs::next`].
    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The only one.
    pub(super) fn only(mut self) -> Result<ArchFile, Failure> {
        self.one = true;
        let (_, arch) = self.next()?.ok_or_else(|| Failure::internal("an empty file was not noticed"))?;
        match self.next()? {
            None => Ok(arch),
            Some(_) => Err(self.several()),
        }
    }

    /// The next architecture and its name in messages; `None` at the end. An input without architectures is an error.
    pub(super) fn next(&mut self) -> Result<Option<(String, ArchFile)>, Failure> {
        let mut text = String::new();
        let mut first = self.line;
        loop {
            let before = text.len();
            if self.line_into(&mut text)? == 0 {
                break;
            }
            if text.trim().is_empty() {
                text.clear();
                first = self.line;
                continue;
            }
            // Parse only when the text can be complete, not after every line of a hostile file.
            if before > 0 && !text.trim_end().ends_with('}') {
                continue;
            }
            match ArchFile::parse(&text) {
                // The architecture continues in the next line.
                Err(ArchError::Cut(_)) => {}
                parsed => return self.parsed(first, parsed).map(Some),
            }
        }
        match text.is_empty() {
            true if self.read == 0 => Err(Failure::usage(format!("{}: contains no architecture", self.name))
                .hint("`nasprof space sample SPACE` prints architectures, one per line")),
            true => Ok(None),
            false => self.parsed(first, ArchFile::parse(&text)).map(Some),
        }
    }

    fn parsed(
        &mut self,
        lines_before: usize,
        parsed: Result<ArchFile, ArchError>,
    ) -> Result<(String, ArchFile), Failure> {
        self.read += 1;
        if self.one && self.read > 1 {
            return Err(self.several());
        }
        let place = if self.one { self.name.clone() } else { format!("{}, line {}", self.name, lines_before + 1) };
        match parsed {
            Ok(arch) => Ok((place, arch)),
            Err(error) => Err(Failure::from(error).context(place)),
        }
    }

    fn several(&self) -> Failure {
        Failure::usage(format!("{}: contains several architectures instead of one", self.name))
            .hint("`nasprof estimate` reads several architectures, one per line, from a file that ends in .jsonl")
    }

    /// Appends a line; returns its bytes.
    fn line_into(&mut self, text: &mut String) -> Result<usize, Failure> {
        let read = match self.pending.pop_front() {
            Some(line) if text.len() + line.len() >= MAX_TEXT => return Err(self.too_long()),
            Some(line) => {
                text.push_str(&line);
                line.len()
            }
            None => self.read_into(text)?,
        };
        self.line += 1;
        Ok(read)
    }

    fn read_into(&mut self, text: &mut String) -> Result<usize, Failure> {
        let about = |problem: String| Failure::usage(format!("{}: {problem}", self.name));
        let left = MAX_TEXT.saturating_sub(text.len()) as u64;
        let read = self.input.by_ref().take(left).read_line(text).map_err(|e| about(e.to_string()))?;
        if text.len() >= MAX_TEXT {
            return Err(self.too_long());
        }
        Ok(read)
    }

    fn too_long(&self) -> Failure {
        Failure::usage(format!("{}: an architecture of more than {} MiB", self.name, MAX_TEXT >> 20))
    }
}

/// All architectures of some files, in order, each with its name in messages.
pub(super) fn files(paths: &[PathBuf]) -> Result<Vec<(String, ArchFile)>, Failure> {
    let mut all = Vec::new();
    for path in paths {
        let mut archs = Archs::open(path)?;
        while let Some(file) = archs.next()? {
            all.push(file);
        }
    }
    Ok(all)
}

/// The same, as architectures of a space.
pub(super) fn of_space(files: Vec<(String, ArchFile)>, space: &Space) -> Result<Vec<(String, Arch)>, Failure> {
    let of_file = |(place, file): (String, ArchFile)| {
        let arch = file.resolve(&space.name, &space.choices);
        arch.map_err(|e| Failure::from(e).context(place.as_str())).map(|arch| (place, arch))
    };
    files.into_iter().map(of_file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARCH: &str = "{\"format_version\": 1,\n \"space\": \"s\", \"choices\": {\"a\": \"b\"}}";

    fn read(text: &str, one: bool) -> Result<Vec<String>, String> {
        let mut archs = Archs::new(Box::new(io::Cursor::new(text.to_owned().into_bytes())), "x".to_owned(), one);
        let mut places = Vec::new();
        while let Some((place, arch)) = archs.next().map_err(|f| f.message)? {
            assert_eq!(arch.space, "s");
            places.push(place);
        }
        Ok(places)
    }

    #[test]
    fn several_stand_one_after_the_other_in_lines_or_over_several() {
        let line = ARCH.replace('\n', "");
        assert_eq!(read(&format!("{line}\n\n{line}"), false).unwrap(), ["x, line 1", "x, line 3"]);
        assert_eq!(read(&format!("\n{ARCH}\n{line}\n"), false).unwrap(), ["x, line 2", "x, line 4"]);
        assert_eq!(read(ARCH, true).unwrap(), ["x"]);
    }

    /// Lines come as soon as they are available; lines that are put back are read again in order.
    #[test]
    fn lines_can_be_put_back() {
        let line = ARCH.replace('\n', "");
        let text = format!("{line}\n\n{ARCH}\n{line}");
        let mut archs = Archs::new(Box::new(io::Cursor::new(text.clone().into_bytes())), "x".to_owned(), false);
        // The last line has no end, so it does not come with the others.
        let mut lines = archs.lines().unwrap();
        lines.extend(archs.lines().unwrap());
        assert_eq!(lines.concat(), text);
        archs.put_back(lines);
        let mut places = Vec::new();
        while let Some((place, _)) = archs.next().unwrap() {
            places.push(place);
        }
        assert_eq!(places, ["x, line 1", "x, line 3", "x, line 5"]);
        assert!(!archs.has_pending() && archs.lines().unwrap().is_empty());
        // A text that is too long is refused even if it was put back.
        archs.put_back(vec![format!("{{{}\n", " ".repeat(MAX_TEXT))]);
        assert!(archs.next().unwrap_err().message.contains("more than 16 MiB"));
    }

    #[test]
    fn what_is_not_there_or_too_much_is_said() {
        let line = ARCH.replace('\n', "");
        for empty in ["", "\n \n"] {
            assert_eq!(read(empty, false).unwrap_err(), "x: contains no architecture");
        }
        assert!(read(&format!("{line}\n{line}\n"), true).unwrap_err().contains("contains several"));
        assert!(read(&format!("[{line}, {line}]"), false).unwrap_err().contains("expected one architecture"));
        assert!(read(&format!("{line}\n{}", &line[..20]), false).unwrap_err().starts_with("x, line 2: "));
        assert!(read("7", false).unwrap_err().contains("expected"));
    }
}
