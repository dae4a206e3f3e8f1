//! Escapes foreign text for the terminal.

use nasprof_base::text::printable;

/// A text as one line that does nothing but be read.
pub(crate) fn one_line(text: &str) -> String {
    printable(text).replace(['\n', '\t'], " ")
}

/// Several lines: those after the first are indented, so that none can be taken for a line of ours.
pub(crate) fn block(text: &str) -> String {
    printable(text).trim_end().replace('\n', "\n  ")
}
