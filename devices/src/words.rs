//! Prepares a device's texts for messages.

/// The start of a text, for messages.
pub(crate) fn start(text: &str) -> String {
    text.chars().take(80).collect::<String>().escape_debug().to_string()
}

/// An agent's own words: on one line, without terminal control sequences, and shortened.
pub(crate) fn words(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(2000).collect()
}

/// A program's last non-empty line.
pub(crate) fn last_words(text: &str) -> Option<&str> {
    text.lines().rev().map(str::trim).find(|line| !line.is_empty())
}
