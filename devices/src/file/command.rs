//! The table `[command]` of a device file: a program on the device that measures models instead of an agent.

use std::collections::BTreeMap;

use nasprof_base::suggest::{did_you_mean, nearest};
use serde::Deserialize;

use super::times::{TimesFormat, Unit};

/// The back end of a device that runs a command.
pub const COMMAND: &str = "command";

/// Placeholders in a command for values that are known only when it runs.
const PLACEHOLDERS: [&str; 6] = ["model", "profile", "times", "cache", "runs", "threads"];

/// A program that measures a model and writes its results.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandTable {
    /// The program and its arguments: a line, split into words like in a shell, or a list of words. No shell runs it.
    pub run: Words,
    /// Format of the file `{profile}`.
    pub profile_format: Option<ProfileFormat>,
    /// Format of the latencies in the file `{times}`, or in the program's output if there is no such file: `trtexec`,
    /// `onnxruntime`, `tflite-csv`, or a regular expression with one group.
    pub times_format: Option<String>,
    /// Unit of the number that the regular expression finds.
    pub times_unit: Option<Unit>,
    /// Value of `{runs}`: how often the program should run the model.
    #[serde(default = "default_runs")]
    pub runs: u32,
    /// Seconds after which the program is killed.
    #[serde(default = "default_deadline")]
    pub deadline_seconds: u64,
}

/// Format of a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileFormat {
    /// `trtexec --exportProfile`.
    Trtexec,
    /// The profiler of ONNX Runtime.
    #[serde(rename = "onnxruntime")]
    OnnxRuntime,
    /// TensorFlow Lite's `benchmark_model --profiling_output_csv_file`.
    TfliteCsv,
}

/// A program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Words {
    /// A command line, as typed.
    Line(String),
    /// Word by word.
    List(Vec<String>),
}

fn default_runs() -> u32 {
    100
}

fn default_deadline() -> u64 {
    600
}

impl CommandTable {
    /// The words with their placeholders. They were checked when the file was read.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        split(&self.run).unwrap_or_default()
    }

    /// Whether the command contains a placeholder.
    #[must_use]
    pub fn names(&self, placeholder: &str) -> bool {
        self.words().iter().any(|word| parts(word).any(|part| part == Part::Name(placeholder)))
    }

    /// The words with each placeholder replaced by its value.
    #[must_use]
    pub fn filled(&self, values: &BTreeMap<&str, String>) -> Vec<String> {
        let fill = |part: Part<'_>| match part {
            Part::Text(text) => text.to_owned(),
            Part::Name(name) => values.get(name).cloned().unwrap_or_default(),
        };
        self.words().iter().map(|word| parts(word).map(fill).collect()).collect()
    }

    /// Format of the latencies, if there is one.
    #[must_use]
    pub fn times(&self) -> Option<TimesFormat> {
        TimesFormat::parse(self.times_format.as_deref()?, self.times_unit).ok()
    }

    /// Refuses invalid values.
    pub(super) fn check(&self) -> Result<(), String> {
        let words = split(&self.run)?;
        if words.first().is_none_or(|program| program.is_empty()) {
            return Err("command.run names no program".to_owned());
        }
        if words.iter().any(|word| word.contains('\0')) {
            return Err("command.run contains a control character".to_owned());
        }
        for name in words.iter().flat_map(|word| parts(word)).filter_map(|part| part.name()) {
            if !PLACEHOLDERS.contains(&name) {
                let similar = nearest(name, PLACEHOLDERS);
                let known = PLACEHOLDERS.map(|name| format!("{{{name}}}")).join(", ");
                return Err(format!(
                    "command.run: `{{{name}}}` is not one of {known}{}; write {{{{{name}}}}} for literal braces",
                    did_you_mean(similar.as_deref())
                ));
            }
        }
        if !self.names("model") {
            return Err("command.run must contain {model}".to_owned());
        }
        if self.profile_format.is_some() != self.names("profile") {
            return Err("command.run must contain {profile} if command.profile_format is set, and only then".to_owned());
        }
        match &self.times_format {
            Some(format) => drop(TimesFormat::parse(format, self.times_unit)?),
            None if self.profile_format.is_none() => {
                return Err("[command] needs a profile_format or a times_format".to_owned());
            }
            None if self.names("times") || self.times_unit.is_some() => {
                return Err("command.times_format is missing: {times} and command.times_unit need it".to_owned());
            }
            None => {}
        }
        if !(1..=1_000_000).contains(&self.runs) {
            return Err(format!("command.runs = {} is not in 1..=1000000", self.runs));
        }
        if !(1..=86_400).contains(&self.deadline_seconds) {
            return Err(format!("command.deadline_seconds = {} is not in 1..=86400", self.deadline_seconds));
        }
        Ok(())
    }
}

fn split(words: &Words) -> Result<Vec<String>, String> {
    match words {
        Words::List(words) => Ok(words.clone()),
        Words::Line(line) => shlex::split(line).ok_or_else(|| "command.run: a quotation mark is not closed".to_owned()),
    }
}

/// A piece of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Name(&'a str),
}

impl<'a> Part<'a> {
    fn name(self) -> Option<&'a str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Text(_) => None,
        }
    }
}

/// Texts and placeholders of a word. Only a lower-case name in braces is a placeholder: words with program text may contain
/// other braces.
fn parts(word: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = word;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (part, after) = first_part(rest);
        rest = after;
        Some(part)
    })
}

fn first_part(text: &str) -> (Part<'_>, &str) {
    // Length of a name that is followed by a closing brace.
    let named = |text: &'_ str| -> Option<usize> {
        let end = text.find(|c: char| !c.is_ascii_lowercase() && c != '_')?;
        (end > 0 && text[end..].starts_with('}')).then_some(end)
    };
    if let Some(escaped) = text.strip_prefix("{{")
        && let Some(end) = named(escaped)
        && escaped[end..].starts_with("}}")
    {
        return (Part::Text(&text[1..end + 3]), &escaped[end + 2..]);
    }
    if let Some(inner) = text.strip_prefix('{')
        && let Some(end) = named(inner)
    {
        return (Part::Name(&inner[..end]), &inner[end + 1..]);
    }
    let skip = text.chars().next().map_or(0, char::len_utf8);
    let end = text[skip..].find('{').map_or(text.len(), |at| skip + at);
    (Part::Text(&text[..end]), &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(lines: &str) -> Result<CommandTable, String> {
        let table: CommandTable = toml::from_str(lines).map_err(|e| e.to_string())?;
        table.check().map(|()| table)
    }

    const GOOD: &str = "run = \"bench {model} --out={profile}\"\nprofile_format = \"trtexec\"\n";

    #[test]
    fn commands_that_cannot_be_meant_are_refused() {
        table(GOOD).unwrap();
        for (lines, naming) in [
            ("run = \"\"\nprofile_format = \"trtexec\"", "no program"),
            ("run = []\nprofile_format = \"trtexec\"", "no program"),
            ("run = \"bench {model} 'x\"", "quotation mark"),
            ("run = \"bench {profile}\"\nprofile_format = \"trtexec\"", "{model}"),
            ("run = \"bench {modell} {profile}\"\nprofile_format = \"trtexec\"", "did you mean `model`"),
            ("run = \"bench {model}\"\nprofile_format = \"trtexec\"", "{profile}"),
            ("run = \"bench {model} {profile}\"\ntimes_format = \"trtexec\"", "{profile}"),
            ("run = \"bench {model} {profile}\"\nprofile_format = \"tensorrt\"", "trtexec"),
            ("run = \"bench {model}\"", "needs a profile_format"),
            ("run = \"bench {model} {profile} {times}\"\nprofile_format = \"trtexec\"", "times_format"),
            ("run = \"bench {model}\"\ntimes_format = \"trtexex\"", "with a group"),
            ("run = \"bench {model}\"\ntimes_format = '(\\d+)'", "times_unit"),
            ("run = \"bench {model}\"\ntimes_format = '(\\d+'\ntimes_unit = \"ms\"", "times_format"),
            ("run = \"bench {model}\"\ntimes_format = '(\\d+) (a)'\ntimes_unit = \"ms\"", "group"),
            ("run = \"bench {model}\"\ntimes_format = \"trtexec\"\ntimes_unit = \"ms\"", "times_unit"),
        ] {
            let error = table(lines).unwrap_err();
            assert!(error.contains(naming), "{lines}: {error}");
        }
        for line in ["runs = 0", "deadline_seconds = 0", "deadline_seconds = 100000", "rounds = 3"] {
            let error = table(&format!("{GOOD}{line}")).unwrap_err();
            assert!(error.contains(line.split(' ').next().unwrap()), "{error}");
        }
    }

    /// The control is a word whose braces mean nothing.
    #[test]
    fn placeholders_are_filled_word_by_word() {
        let table = table(
            "run = ['python3', '-c', 'd = {1: 2}; {{model}} {A} {', '--m={model},{runs}', '{profile}']\n\
             profile_format = \"onnxruntime\"",
        )
        .unwrap();
        let values = BTreeMap::from([
            ("model", "/a b/$(x) {runs}".to_owned()),
            ("profile", "p".to_owned()),
            ("runs", "7".to_owned()),
        ]);
        assert_eq!(
            table.filled(&values),
            ["python3", "-c", "d = {1: 2}; {model} {A} {", "--m=/a b/$(x) {runs},7", "p"]
        );
        assert!(table.names("runs") && !table.names("times") && !table.names("threads"));
    }
}
