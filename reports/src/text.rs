//! Numbers and names as people read them; shared by reports and terminal tables.

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

/// Three significant digits with a prefix for thousands: `1.23 M`, `45.6 k`; small numbers as they are.
#[must_use]
pub fn si(value: f64) -> String {
    const PREFIXES: [(f64, &str); 5] = [(1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    let size = value.abs();
    match PREFIXES.into_iter().find(|(unit, _)| size >= *unit) {
        Some((unit, prefix)) => format!("{} {prefix}", significant(value / unit)),
        None => significant(value),
    }
}

/// Three significant digits, without zeros at the end.
#[must_use]
pub fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let digits = (2 - value.abs().log10().floor() as i32).clamp(0, 12) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// `1 layer`, `2 layers`.
#[must_use]
pub fn count(number: usize, singular: &str) -> String {
    format!("{number} {singular}{}", if number == 1 { "" } else { "s" })
}

/// A text cut to a number of characters, with a mark where it was cut.
#[must_use]
pub fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// Characters that XML and terminals do not take (controls, but for line ends and tabs) replaced by a visible one.
#[must_use]
pub fn printable(text: &str) -> String {
    let refused = |c: char| (c.is_control() && !matches!(c, '\n' | '\t')) || matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().map(|c| if refused(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_matter() {
        assert_eq!([0.012_345, 1.234_56, 123.4567, 0.0].map(ms), ["0.01235 ms", "1.235 ms", "123.5 ms", "0 ms"]);
        assert_eq!([0.0, 999.0, 1234.0, 4.56e7, -2e9].map(si), ["0", "999", "1.23 k", "45.6 M", "-2 G"]);
        assert_eq!([0.000_123_4, 10.0, 1234.0].map(significant), ["0.000123", "10", "1234"]);
        assert_eq!(percent(0.012_34), "1.23 %");
        assert_eq!((count(1, "layer"), count(0, "layer")), ("1 layer".to_owned(), "0 layers".to_owned()));
    }

    #[test]
    fn names_are_cut_by_characters_and_lose_their_controls() {
        assert_eq!(cut("äöüß", 4), "äöüß");
        assert_eq!(cut("äöüßa", 4), "äöü…");
        assert_eq!(printable("a\u{1b}[31mb\u{0}\n"), "a\u{fffd}[31mb\u{fffd}\n");
    }
}
