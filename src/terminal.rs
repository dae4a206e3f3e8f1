//! The only access to the terminal. Names from files, boards and agents are escaped: they can neither control the
//! terminal nor imitate a message of nasprof.

use std::collections::hash_map::RandomState;
use std::fmt::Write as _;
use std::hash::BuildHasher;
use std::io::{self, Write, stdout};
use std::sync::LazyLock;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use nasprof_base::text::is_printable;

use crate::escape::one_line;
use crate::failure::Failure;

/// What a colour means.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tone {
    Good,
    Doubtful,
    Bad,
    /// Headings.
    Strong,
    /// What is there to be looked up.
    Faint,
}

const TONES: [(char, Tone); 5] =
    [('g', Tone::Good), ('d', Tone::Doubtful), ('b', Tone::Bad), ('s', Tone::Strong), ('f', Tone::Faint)];
/// After a mark: the tone ends.
const PLAIN: char = 'p';

/// Stands before a colour until the door: another in each process, so that no file can hold it.
static MARK: LazyLock<String> = LazyLock::new(|| format!("\u{f8ff}{:016x}", RandomState::new().hash_one(0)));

/// Whether the standard output is to be coloured.
static COLOURED: LazyLock<bool> = LazyLock::new(|| AutoStream::choice(&stdout()) != ColorChoice::Never);

/// A text in its tone. Pad before painting: colours count as characters.
pub(crate) fn paint(tone: Tone, text: impl AsRef<str>) -> String {
    if !*COLOURED {
        return text.as_ref().to_owned();
    }
    marked(tone, text.as_ref())
}

fn marked(tone: Tone, text: &str) -> String {
    let letter = match tone {
        Tone::Good => 'g',
        Tone::Doubtful => 'd',
        Tone::Bad => 'b',
        Tone::Strong => 's',
        Tone::Faint => 'f',
    };
    let mark = &*MARK;
    format!("{mark}{letter}{text}{mark}{PLAIN}")
}

fn style(tone: Tone) -> Style {
    match tone {
        Tone::Good => Style::new().fg_color(Some(AnsiColor::Green.into())),
        Tone::Doubtful => Style::new().fg_color(Some(AnsiColor::Yellow.into())),
        Tone::Bad => Style::new().fg_color(Some(AnsiColor::Red.into())).bold(),
        Tone::Strong => Style::new().bold(),
        Tone::Faint => Style::new().dimmed(),
    }
}

/// One line with the colours of [`paint`], and none that stood in a text before.
fn coloured_line(text: &str) -> String {
    let mut parts = text.split(MARK.as_str());
    let mut line = one_line(parts.next().unwrap_or_default());
    let mut open: Option<Style> = None;
    for part in parts {
        let mut rest = part.chars();
        let letter = rest.next().unwrap_or(PLAIN);
        if let Some(style) = open.take() {
            let _ = write!(line, "{style:#}");
        }
        if let Some((_, tone)) = TONES.iter().find(|(known, _)| *known == letter) {
            let style = style(*tone);
            let _ = write!(line, "{style}");
            open = Some(style);
        }
        line += &one_line(rest.as_str());
    }
    line
}

/// Prints a line of data. A reader that has seen enough (a closed pipe) is no error.
pub(crate) fn print(text: impl AsRef<str>) -> Result<(), Failure> {
    to_stdout(&coloured_line(text.as_ref()))
}

/// Prints a value as one line of JSON. What a terminal would not show is escaped, which is the same value.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    to_stdout(&json_line(value)?)
}

/// A value as one line of JSON that a terminal can show.
pub(crate) fn json_line(value: &impl serde::Serialize) -> Result<String, Failure> {
    Ok(escaped(serde_json::to_string(value).map_err(Failure::internal)?))
}

/// Prints a text of our own, as it is.
pub(crate) fn print_own(text: &str) -> Result<(), Failure> {
    to_stdout(text.trim_end())
}

fn to_stdout(text: &str) -> Result<(), Failure> {
    match writeln!(stdout(), "{text}") {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        result => result.map_err(|e| Failure::internal(format!("cannot write to stdout: {e}"))),
    }
}

/// Control characters stand in JSON's texts only, and there as `\u....`.
fn escaped(json: String) -> String {
    // Most are plain: looked at a byte at a time.
    if json.bytes().all(|byte| (b' '..=b'~').contains(&byte)) || json.chars().all(is_printable) {
        return json;
    }
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if is_printable(c) {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

/// Prints a line of words. Nothing can be done about a closed error output.
pub(crate) fn status(line: impl AsRef<str>) {
    let _ = writeln!(io::stderr(), "{}", one_line(line.as_ref()));
}

/// Prints an error, and how to mend it.
pub(crate) fn say_failure(failure: &Failure) {
    let _ = writeln!(io::stderr(), "{failure}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::escape::block;

    #[test]
    fn only_our_colours_and_lines_pass() {
        let evil = "x\u{1b}[31m\u{9b}2J\u{202e}\nhint: y";
        let shown = "x\u{fffd}[31m\u{fffd}2J\u{fffd} hint: y";
        assert_eq!(coloured_line(evil), shown);
        assert_eq!(
            coloured_line(&format!("a {}", marked(Tone::Bad, evil))),
            format!("a \u{1b}[1m\u{1b}[31m{shown}\u{1b}[0m")
        );
        assert_eq!(block("a\nhint: b\u{7}\n"), "a\n  hint: b\u{fffd}");
        let failure = Failure::usage(evil).hint(evil).and(Failure::usage("second"));
        let text = failure.to_string();
        let begins: Vec<&str> =
            text.lines().filter(|l| !l.starts_with(' ')).map(|l| &l[..l.find(':').unwrap()]).collect();
        assert_eq!(begins, ["error", "hint", "error"], "{text}");
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn json_is_escaped_and_means_the_same() {
        let evil = "\u{1b}[2J\u{9b}\u{7f}\u{202e}\u{2066} é 層";
        let json = escaped(serde_json::to_string(evil).unwrap());
        assert!(json.chars().all(is_printable) && json.contains("é 層"), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), evil);
    }
}
