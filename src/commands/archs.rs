//! Reads architectures: one from a file, or several in sequence.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use nasprof_graph::arch::{ArchError, ArchFile};

use crate::failure::Failure;

/// An architecture is a few kilobytes.
const MAX_TEXT: usize = 16 << 20;

/// Architectures of a file or, as `-`, of the standard input, with where each stands.
pub(super) struct Archs {
    input: Box<dyn BufRead>,
    /// What messages call it.
    name: String,
    /// A file that ends in `.json` holds one.
    one: bool,
    line: usize,
    read: usize,
}

impl Archs {
    /// Opens them; nothing is read yet.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Ok(Self::new(Box::new(BufReader::new(io::stdin())), "standard input".to_owned(), false));
        }
        let name = format!("--arch {}", path.display());
        let file = File::open(path).map_err(|e| Failure::usage(format!("{name}: {e}")))?;
        let one = path.extension().is_some_and(|ending| ending == "json");
        Ok(Self::new(Box::new(BufReader::new(file)), name, one))
    }

    fn new(input: Box<dyn BufRead>, name: String, one: bool) -> Self {
        Self { input, name, one, line: 0, read: 0 }
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

    /// The next one, and what messages call it; `None` at the end, which is an error before the first.
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
            // Read again only where it can have come to its end: not once for each line of a hostile file.
            if before > 0 && !text.trim_end().ends_with('}') {
                continue;
            }
            match ArchFile::parse(&text) {
                // It goes on in the next line.
                Err(ArchError::Cut(_)) => {}
                parsed => return self.parsed(first, parsed).map(Some),
            }
        }
        match text.is_empty() {
            true if self.read == 0 => Err(Failure::usage(format!("{}: contains no architecture", self.name))
                .hint("`nasprof space sample SPACE` prints architectures, one a line")),
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
            .hint("`nasprof estimate` reads several architectures, one on each line, from a file that ends in .jsonl")
    }

    /// Appends a line; returns its bytes.
    fn line_into(&mut self, text: &mut String) -> Result<usize, Failure> {
        let about = |problem: String| Failure::usage(format!("{}: {problem}", self.name));
        let left = MAX_TEXT.saturating_sub(text.len()) as u64;
        let read = self.input.by_ref().take(left).read_line(text).map_err(|e| about(e.to_string()))?;
        if text.len() >= MAX_TEXT {
            return Err(about(format!("an architecture of more than {} MiB", MAX_TEXT >> 20)));
        }
        self.line += 1;
        Ok(read)
    }
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

    #[test]
    fn what_is_not_there_or_too_much_is_said() {
        let line = ARCH.replace('\n', "");
        for empty in ["", "\n \n"] {
            assert_eq!(read(empty, false).unwrap_err(), "x: contains no architecture");
        }
        assert!(read(&format!("{line}\n{line}\n"), true).unwrap_err().contains("contains several"));
        assert!(read(&format!("[{line}, {line}]"), false).unwrap_err().contains("one architecture is expected"));
        assert!(read(&format!("{line}\n{}", &line[..20]), false).unwrap_err().starts_with("x, line 2: "));
        assert!(read("7", false).unwrap_err().contains("expected"));
    }
}
