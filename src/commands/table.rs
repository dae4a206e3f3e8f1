//! Tables that fit 80 columns; a wider terminal shows more of long names. Colour is never the only cue; there is none
//! in files, in pipes and with `NO_COLOR`.

use nasprof_base::text::{columns, cut, cut_middle};

use crate::escape::one_line;

pub(super) use crate::terminal::{Tone, paint};

/// A text cut or padded to a width, with a mark at a cut. Control characters are made visible: they could steer the
/// terminal.
pub(super) fn fit(text: &str, width: usize) -> String {
    filled(cut(&one_line(text), width), width)
}

/// As [`fit`], but cut after `start` columns.
pub(super) fn fit_ends(text: &str, start: usize, width: usize) -> String {
    filled(cut_middle(&one_line(text), start, width), width)
}

/// Pads by columns, not characters: a wide character takes two columns.
fn filled(text: String, width: usize) -> String {
    let missing = width.saturating_sub(columns(&text));
    text + &" ".repeat(missing)
}

/// Columns beyond 80, which go to names. Zero in a file or pipe, so that the output is the same everywhere.
pub(super) fn spare() -> usize {
    const WIDEST: usize = 160;
    let terminal = console::Term::stdout();
    if !terminal.is_term() {
        return 0;
    }
    usize::from(terminal.size().1).min(WIDEST).saturating_sub(80)
}

/// A bar of a width for a share, in eighths of a character.
pub(super) fn bar(share: f64, width: usize) -> String {
    const PARTS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = (share.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize;
    let mut text = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        text.push(PARTS[eighths % 8]);
    }
    format!("{text:<width$}")
}

/// A bar to the left or right of the middle, for values from -1 to 1.
pub(super) fn signed_bar(share: f64, half: usize) -> String {
    let length = (share.abs().min(1.0) * half as f64).round() as usize;
    let (left, right) = if share < 0.0 { (length, 0) } else { (0, length) };
    format!("{:>half$}│{:<half$}", "█".repeat(left), "█".repeat(right))
}

/// A histogram of values with buckets of equal width, as one line of blocks.
pub(super) fn sparkline(values: &[f64], low: f64, high: f64, width: usize) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let mut counts = vec![0_usize; width];
    for value in values {
        let share = ((value - low) / (high - low)).clamp(0.0, 1.0);
        counts[((share * width as f64) as usize).min(width - 1)] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let level = |count: usize| match count {
        0 => ' ',
        count => LEVELS[(count * 8).div_ceil(most).clamp(1, 8) - 1],
    };
    counts.into_iter().map(level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_where_they_tell_least() {
        assert_eq!(fit("abcdef", 4), "abc…");
        assert_eq!(fit("ab\u{1b}[2J\n", 8), "ab\u{fffd}[2J  ");
        assert_eq!(fit_ends("blocks/12/MB6 7x7/depthwise/conv", 6, 20), "blocks…epthwise/conv");
        assert_eq!(fit_ends("short", 2, 8), "short   ");
        assert_eq!([fit("層層層", 4), fit_ends("層層層層", 2, 6)], ["層… ", "層…層 "]);
    }

    #[test]
    fn bars_have_their_width() {
        assert_eq!([bar(0.0, 4), bar(0.5, 4), bar(0.53, 4), bar(9.0, 4)], ["    ", "██  ", "██▏ ", "████"]);
        assert_eq!([signed_bar(-0.5, 4), signed_bar(1.0, 4)], ["  ██│    ", "    │████"]);
        assert_eq!(sparkline(&[0.0, 0.0, 0.0, 0.0, 3.0, 9.9], 0.0, 10.0, 5), "█▂  ▂");
    }
}
