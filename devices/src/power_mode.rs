//! The power mode that a device file requires. It is read by a command of the file, and accepted or refused.

use std::collections::BTreeMap;

use crate::error::{LinkError, Step};
use crate::file::DeviceFile;

/// The command that prints the power mode, and the required mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PowerMode {
    pub(crate) command: String,
    wanted: Option<String>,
}

impl PowerMode {
    /// The power mode of a device file, if the file has a command for it.
    pub(crate) fn of(file: &DeviceFile) -> Option<Self> {
        Some(Self { command: file.power_mode_command.clone()?, wanted: file.power_mode.clone() })
    }

    /// The mode as a fact, from the command's exit code and output.
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

/// Whether a text contains these whole words in sequence: `10W` does not contain `0`.
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
