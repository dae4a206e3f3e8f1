//! The power mode that a device file requires: read through a command of the file, and accepted or refused.

use std::collections::BTreeMap;

use crate::error::{LinkError, Step};
use crate::file::DeviceFile;

/// How the power mode shows, and what it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PowerMode {
    pub(crate) command: String,
    wanted: Option<String>,
}

impl PowerMode {
    /// That of a device file, where it says how to see it.
    pub(crate) fn of(file: &DeviceFile) -> Option<Self> {
        Some(Self { command: file.power_mode_command.clone()?, wanted: file.power_mode.clone() })
    }

    /// The mode as a fact, from what the command gave.
    pub(crate) fn fact(&self, (status, output): (i32, String)) -> Result<BTreeMap<String, String>, LinkError> {
        let now = output.split_whitespace().collect::<Vec<_>>().join(" ");
        if status != 0 {
            let problem = format!("`{}` gives exit code {status}: {now}", self.command);
            return Err(LinkError::Board { step: Step::PowerMode, problem });
        }
        match &self.wanted {
            Some(wanted) if !has_words(&now, wanted) => Err(LinkError::PowerMode { now, wanted: wanted.clone() }),
            _ => Ok([("power_mode".to_owned(), now)].into()),
        }
    }
}

/// Whether whole words of a text, one after the other, are these: `0` is not in `10W`.
fn has_words(text: &str, wanted: &str) -> bool {
    let words = |text: &'_ str| text.split_whitespace().map(ToOwned::to_owned).collect::<Vec<String>>();
    let (text, wanted) = (words(text), words(wanted));
    !wanted.is_empty() && text.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_count() {
        for (now, wanted, has) in [
            ("NV Power Mode: MAXN 0", "MAXN", true),
            ("NV Power Mode: MAXN 0", "0", true),
            ("NV Power Mode: MAXN 0", "MAXN 0", true),
            ("NV Power Mode: MAXN_SUPER 2", "MAXN", false),
            ("NV Power Mode: MODE_10W 2", "0", false),
            ("NV Power Mode: MAXN 0", " ", false),
            ("", "MAXN", false),
        ] {
            assert_eq!(has_words(now, wanted), has, "{now} / {wanted}");
        }
    }
}
