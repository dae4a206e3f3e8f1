//! Numbers and names formatted for people; reports and terminal tables share them.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Milliseconds with four significant digits.
#[must_use]
pub fn ms(value: f64) -> String {
    let digits = if value > 0.0 { (3 - value.log10().floor() as i32).clamp(0, 6) as usize } else { 0 };
    format!("{value:.digits$} ms")
}

/// A fraction as percent.
#[must_use]
pub fn percent(value: f64) -> String {
    format!("{:.2} %", value * 100.0)
}

/// A fraction as percent with two significant digits: for claims and errors that are not known more precisely.
#[must_use]
pub fn rough(value: f64) -> String {
    format!("{} %", rounded(value * 100.0, 2))
}

/// Three significant digits with a prefix for thousands: `1.23 M`, `45.6 k`; small numbers unchanged.
#[must_use]
pub fn si(value: f64) -> String {
    si_rounded(value, 3)
}

/// As [`si`], with `digits` digits.
pub fn si_rounded(value: f64, digits: i32) -> String {
    const PREFIXES: [(f64, &str); 5] = [(1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    let size = value.abs();
    match PREFIXES.into_iter().find(|(unit, _)| size >= *unit) {
        Some((unit, prefix)) => format!("{} {prefix}", rounded(value / unit, digits)),
        None => rounded(value, digits),
    }
}

/// Bytes as lower-case hexadecimal digits, the form of digests.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |half: u8| char::from(DIGITS[usize::from(half)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// A number of bytes, with prefixes for powers of 1000.
#[must_use]
pub fn bytes(value: f64) -> String {
    let text = si(value);
    if text.contains(' ') { format!("{text}B") } else { format!("{text} B") }
}

/// Three significant digits, without zeros at the end.
#[must_use]
pub fn significant(value: f64) -> String {
    rounded(value, 3)
}

/// `digits` significant digits, without zeros at the end.
fn rounded(value: f64, digits: i32) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let digits = (digits - 1 - value.abs().log10().floor() as i32).clamp(0, 12) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// `1 layer`, `2 layers`.
#[must_use]
pub fn count(number: usize, singular: &str) -> String {
    format!("{number} {singular}{}", if number == 1 { "" } else { "s" })
}

/// Columns that a text takes on a terminal: two for each wide character, none for a combining character.
#[must_use]
pub fn columns(text: &str) -> usize {
    text.width()
}

/// A text cut to a number of columns, with a mark where it was cut.
#[must_use]
pub fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    first_columns(text.chars(), width.saturating_sub(1)).chain(['…']).collect()
}

/// As [`cut`], but after `start` columns, so that the end is kept: a path ends in its layer, a key in its shape.
#[must_use]
pub fn cut_middle(text: &str, start: usize, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let end: Vec<char> = first_columns(text.chars().rev(), width.saturating_sub(start + 1)).collect();
    first_columns(text.chars(), start).chain(['…']).chain(end.into_iter().rev()).collect()
}

/// The first characters that fit.
fn first_columns(characters: impl Iterator<Item = char>, width: usize) -> impl Iterator<Item = char> {
    let mut used = 0;
    characters.take_while(move |c| {
        used += c.width().unwrap_or(0);
        used <= width
    })
}

/// Replaces characters that XML and terminals do not accept (controls other than line ends and tabs), and characters
/// that change the direction of text, by a visible one.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if is_printable(c) || matches!(c, '\n' | '\t') { c } else { '\u{fffd}' }).collect()
}

/// Whether a character is visible and has no other effect.
#[must_use]
pub fn is_printable(c: char) -> bool {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}') && !turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_matter() {
        assert_eq!([0.012_345, 1.234_56, 123.4567, 0.0].map(ms), ["0.01235 ms", "1.235 ms", "123.5 ms", "0 ms"]);
        assert_eq!([0.0, 999.0, 1234.0, 4.56e7, -2e9].map(si), ["0", "999", "1.23 k", "45.6 M", "-2 G"]);
        assert_eq!([0.000_123_4, 10.0, 1234.0].map(significant), ["0.000123", "10", "1234"]);
        assert_eq!([0.0, 999.0, 1234.0].map(bytes), ["0 B", "999 B", "1.23 kB"]);
        assert_eq!(percent(0.012_34), "1.23 %");
        assert_eq!((hex(&[0, 9, 0xab, 0xff]), hex(&[])), ("0009abff".to_owned(), String::new()));
        assert_eq!(
            [0.1189, 0.0158, 0.0074, 0.02, 1.234, 0.0].map(rough),
            ["12 %", "1.6 %", "0.74 %", "2 %", "123 %", "0 %"]
        );
        assert_eq!((count(1, "layer"), count(0, "layer")), ("1 layer".to_owned(), "0 layers".to_owned()));
    }

    #[test]
    fn names_are_cut_by_characters_and_lose_their_controls() {
        assert_eq!(cut("äöüß", 4), "äöüß");
        assert_eq!(cut("äöüßa", 4), "äöü…");
        assert_eq!(["層".repeat(4), "層a層a".to_owned()].map(|t| cut(&t, 5)), ["層層…", "層a…"]);
        assert_eq!(cut_middle("blocks/12/MB6 7x7/depthwise/conv", 6, 20), "blocks…epthwise/conv");
        assert_eq!((cut_middle("層層層層層層", 3, 8), columns("e\u{301}層")), ("層…層層".to_owned(), 3));
        assert_eq!(printable("a\u{202e}b\u{2066}"), "a\u{fffd}b\u{fffd}");
        assert_eq!(printable("a\u{1b}[31mb\u{0}\n"), "a\u{fffd}[31mb\u{fffd}\n");
    }
}
