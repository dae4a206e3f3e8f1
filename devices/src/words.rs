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

/// What a program says on stderr at its end: the reason of its panic or of an uncaught C++ exception, else its last line.
#[derive(Debug, Default)]
pub(crate) struct LastWords {
    last: String,
    /// Whether the next line is the reason of a panic.
    panics: bool,
    /// Whether `last` is a reason, which nothing after it replaces.
    is_reason: bool,
}

impl LastWords {
    pub(crate) fn hear(&mut self, line: &str) {
        // Notes are no reasons.
        if self.is_reason || line.trim().is_empty() || line.starts_with("note: ") {
            return;
        }
        self.is_reason =
            std::mem::replace(&mut self.panics, is_panic(line)) || line.trim_start().starts_with("what():");
        line.clone_into(&mut self.last);
    }

    pub(crate) fn reason(&self) -> Option<&str> {
        Some(self.last.as_str()).filter(|line| !line.is_empty())
    }
}

/// The line that Rust prints before the reason of a panic.
fn is_panic(line: &str) -> bool {
    line.starts_with("thread '") && line.contains("panicked at ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Notes and stack traces follow the reason.
    #[test]
    fn a_panic_and_an_exception_are_told_by_their_reason() {
        let said = |text: &str| {
            let mut words = LastWords::default();
            text.lines().for_each(|line| words.hear(line));
            words.reason().map(str::to_owned)
        };
        let panic = "loading\n\nthread 'main' (7) panicked at src/a.rs:1:9:\nunavailable (error 46)\nstack backtrace:\n   0: f\n\
            note: run with `RUST_BACKTRACE=1`";
        assert_eq!(said(panic).as_deref(), Some("unavailable (error 46)"));
        let exception =
            "terminate called after throwing an instance of 'c10::Error'\n  what():  CUDA error: lost\nframe #0";
        assert_eq!(said(exception).as_deref(), Some("  what():  CUDA error: lost"));
        // Controls: without a panic the last line counts.
        assert_eq!(said("one\ntwo\n\n").as_deref(), Some("two"));
        assert_eq!(said(&panic.replace("thread 'main'", "worker")).as_deref(), Some("   0: f"));
        assert_eq!(said(""), None);
    }
}
