//! Converts the text of an experiment file, with overrides, to an [`Experiment`] and back.

use std::fs;
use std::path::Path;

use nasprof_base::{config_text, suggest};
use toml::{Table, Value};

use super::{ConfigError, Experiment};

/// Size limit in bytes; experiment files are a page of text.
const MAX_TEXT: u64 = 1 << 20;

impl Experiment {
    /// Reads an experiment file and overrides some of its values. An override is `key=value` with a dotted key; a number in
    /// the key is the index of a table in a list.
    ///
    /// # Errors
    /// If the file cannot be read, and those of [`Experiment::parse`].
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self, ConfigError> {
        let fail = |source| ConfigError::File { path: path.display().to_string(), source };
        if fs::metadata(path).map_err(fail)?.len() > MAX_TEXT {
            return Err(fail(std::io::Error::other("the file is larger than 1 MiB")));
        }
        Self::parse(&fs::read_to_string(path).map_err(fail)?, overrides).map_err(|error| match error {
            ConfigError::Syntax(problem) => ConfigError::Syntax(format!("{}: {problem}", path.display())),
            other => other,
        })
    }

    /// The same for a text: JSON if it starts with a brace, else TOML.
    ///
    /// # Errors
    /// Syntax, an unknown key (with the nearest known one), a wrong type, an override that does not fit.
    pub fn parse(text: &str, overrides: &[String]) -> Result<Self, ConfigError> {
        let mut table = config_text::table(text).map_err(ConfigError::Syntax)?;
        for text in overrides {
            set(&mut table, text).map_err(|problem| ConfigError::Override { text: text.clone(), problem })?;
        }
        match table.get("format_version") {
            Some(Value::Integer(1)) => {}
            Some(other) => {
                return Err(ConfigError::key("format_version", format!("{other} is not known (this version reads 1)")));
            }
            None => return Err(ConfigError::key("format_version", "is missing; write `format_version = 1`")),
        }
        // `nasprof-search` receives jobs as JSON, which has no such numbers. No key needs them.
        if let Some((key, value)) = not_finite("", &table) {
            return Err(ConfigError::key(key, format!("must be a finite number, not {value}")));
        }
        let mut experiment = read(&table).map_err(|(key, problem)| {
            let problem_in_words = suggest::explain(&problem);
            match key.as_str() {
                "." => ConfigError::Syntax(problem_in_words),
                _ => ConfigError::Key { key: at_fault(&table, key, &problem), problem: problem_in_words },
            }
        })?;
        experiment.searcher = experiment.searcher.take().or_else(|| experiment.usual_searcher());
        // This default depends on another table.
        let searches = experiment.searcher.is_some();
        if let Some(data) = &mut experiment.data {
            data.train_portion = Some(data.portion(searches));
        }
        Ok(experiment)
    }

    /// The experiment as TOML, with all defaults filled in. A run keeps it in its folder.
    #[must_use]
    pub fn resolved_toml(&self) -> String {
        // Every experiment can be written as TOML; a test writes and reads every shipped file.
        toml::to_string_pretty(self).unwrap_or_default()
    }
}

/// An experiment; or the dotted key and the message of the first error.
fn read(table: &Table) -> Result<Experiment, (String, String)> {
    serde_path_to_error::deserialize(Value::Table(table.clone())).map_err(|error: serde_path_to_error::Error<_>| {
        let key = error.path().to_string().replace('[', ".").replace(']', "");
        let inner: &toml::de::Error = error.inner();
        (key, inner.message().to_owned())
    })
}

/// The key at fault. serde reads a table whose keys depend on its `kind` as a whole, and names only the table. The key at
/// fault is the one without which the error is another.
fn at_fault(table: &Table, key: String, problem: &str) -> String {
    let parts: Vec<&str> = key.split('.').collect();
    let keys: Vec<String> = match find_mut(&mut table.clone(), &parts) {
        Some(Value::Table(below)) => below.keys().filter(|name| *name != "kind").cloned().collect(),
        _ => return key,
    };
    let is_at_fault = |name: &&String| {
        let mut without = table.clone();
        let removed =
            find_mut(&mut without, &parts).and_then(Value::as_table_mut).and_then(|below| below.remove(*name));
        removed.is_some() && read(&without).err().is_none_or(|(_, other)| other != problem)
    };
    match keys.iter().find(is_at_fault) {
        Some(name) => format!("{key}.{name}"),
        None => key,
    }
}

fn find_mut<'a>(table: &'a mut Table, parts: &[&str]) -> Option<&'a mut Value> {
    let (first, rest) = parts.split_first()?;
    rest.iter().try_fold(table.get_mut(*first)?, |at, part| match at {
        Value::Table(table) => table.get_mut(*part),
        Value::Array(list) => list.get_mut(part.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Sets one value.
fn set(table: &mut Table, text: &str) -> Result<(), String> {
    let (key, value) = text.split_once('=').ok_or("is not of the form key=value")?;
    let value = parse_value(value.trim());
    let mut path: Vec<&str> = key.trim().split('.').collect();
    if path.iter().any(|part| part.is_empty()) {
        return Err(format!("`{key}` is not a key"));
    }
    let last = path.pop().unwrap_or_default();
    let root = path.is_empty();
    let mut at =
        table.entry(if root { last } else { path[0] }).or_insert_with(|| new_value(path.get(1).copied(), last));
    if root {
        *at = value;
        return Ok(());
    }
    for (i, part) in path.iter().enumerate().skip(1) {
        at = descend(at, part, || new_value(path.get(i + 1).copied(), last))?;
    }
    *descend(at, last, || Value::Boolean(false))? = value;
    Ok(())
}

/// The first number that is infinite or NaN, with its dotted key.
fn not_finite(under: &str, table: &Table) -> Option<(String, f64)> {
    fn find(key: String, value: &Value) -> Option<(String, f64)> {
        match value {
            Value::Float(number) if !number.is_finite() => Some((key, *number)),
            Value::Table(table) => not_finite(&format!("{key}."), table),
            Value::Array(list) => list.iter().enumerate().find_map(|(i, value)| find(format!("{key}.{i}"), value)),
            _ => None,
        }
    }
    table.iter().find_map(|(key, value)| find(format!("{under}{key}"), value))
}

/// The container for a missing key: a list if the next part of the key is a number, else a table.
fn new_value(next: Option<&str>, last: &str) -> Value {
    match next.unwrap_or(last).parse::<usize>() {
        Ok(_) => Value::Array(Vec::new()),
        Err(_) => Value::Table(Table::new()),
    }
}

/// The value under a part of a key; creates it if it is missing. A list grows by at most one.
fn descend<'a>(value: &'a mut Value, part: &str, new: impl FnOnce() -> Value) -> Result<&'a mut Value, String> {
    match value {
        Value::Table(table) => Ok(table.entry(part).or_insert_with(new)),
        Value::Array(list) => {
            let index: usize = part.parse().map_err(|_| format!("`{part}` is not a number, but indexes a list"))?;
            if index == list.len() {
                list.push(new());
            }
            let length = list.len();
            list.get_mut(index).ok_or_else(|| format!("{index} is past the end of a list of {length}"))
        }
        _ => Err(format!("`{part}` is set below a value that is not a table")),
    }
}

/// Parses a TOML value; anything else becomes a string.
fn parse_value(text: &str) -> Value {
    let as_toml = toml::from_str::<Table>(&format!("value = {text}")).ok();
    let only = as_toml.filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
    only.unwrap_or_else(|| Value::String(text.to_owned()))
}
