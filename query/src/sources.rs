//! Turns named files into tables.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nasprof_lut::Lut;
use nasprof_spaces::Space;
use polars::prelude::DataFrame;

use crate::error::Problem;
use crate::tables::{self, Content, Kind};
use crate::wanted::Wanted;

/// Everything that a query may use.
#[derive(Default)]
pub(crate) struct Sources {
    /// Tables by name.
    pub(crate) tables: BTreeMap<String, DataFrame>,
    /// LUTs by the name of their table; LUTs of a pattern have no table of their own.
    pub(crate) luts: BTreeMap<String, Lut>,
    /// Spaces from files.
    pub(crate) spaces: BTreeMap<String, Space>,
    /// All files that were read.
    pub(crate) files: Vec<PathBuf>,
    /// Whether there is a journal, whose table has only the wanted columns.
    pub(crate) has_journal: bool,
}

/// A source as given by the user.
struct Named {
    name: Option<String>,
    paths: Vec<PathBuf>,
    is_pattern: bool,
    text: String,
}

impl Named {
    fn new(text: &str) -> Result<Self, Problem> {
        // A file with `=` in its name is a file.
        let split = if Path::new(text).exists() { None } else { text.split_once('=') };
        let (name, path) = match split {
            Some((name, _)) if !is_name(name) => {
                return Err(Problem::Names(format!(
                    "{text}: `{name}` is not a table name: use letters, digits and `_`, and no digit first"
                )));
            }
            Some((name, path)) => (Some(name.to_owned()), path),
            None => (None, text),
        };
        if Path::new(path).exists() || !path.contains(['*', '?', '[']) {
            return Ok(Self { name, paths: vec![path.into()], is_pattern: false, text: path.to_owned() });
        }
        let found = glob::glob(path).map_err(|e| Problem::source(path, format!("invalid pattern: {e}")))?;
        let paths: Vec<PathBuf> =
            found.collect::<Result<_, _>>().map_err(|e| Problem::source(path, format!("cannot be listed: {e}")))?;
        if paths.is_empty() {
            return Err(Problem::source(path, "no file matches"));
        }
        Ok(Self { name, paths, is_pattern: true, text: path.to_owned() })
    }

    /// The content of all its files, with their names.
    fn read(&self, wanted: &Wanted) -> Result<Vec<(String, Content)>, Problem> {
        let read = |path: &PathBuf| {
            let name = path.display().to_string();
            Content::read(path, wanted)
                .map(|content| (name.clone(), content))
                .map_err(|problem| Problem::source(&name, problem))
        };
        let all: Vec<(String, Content)> = self.paths.iter().map(read).collect::<Result<_, _>>()?;
        if let [(first, one), rest @ ..] = &all[..]
            && let Some((other, content)) = rest.iter().find(|(_, content)| content.kind() != one.kind())
        {
            let (one, two) = (one.kind().name(), content.kind().name());
            return Err(Problem::source(
                &self.text,
                format!("{first} is a {one}, but {other} is a {two}: not one table"),
            ));
        }
        Ok(all)
    }
}

impl Sources {
    /// Reads all sources. A file's table has the given name, else the name of the file. The only source of a kind can also
    /// be named by its kind (`lut`, `journal`, …).
    pub(crate) fn read(texts: &[String], wanted: &Wanted) -> Result<Self, Problem> {
        let mut all = Self::default();
        let mut kinds: BTreeMap<&str, Vec<(String, DataFrame)>> = BTreeMap::new();
        for text in texts {
            let named = Named::new(text)?;
            let contents = named.read(wanted)?;
            all.files.extend(named.paths.iter().cloned());
            let Some((path, content)) = contents.first() else { continue };
            all.has_journal |= content.kind() == Kind::Journal;
            let name = match &named.name {
                Some(name) => name.clone(),
                None if named.is_pattern => content.kind().name().to_owned(),
                None => name_of(Path::new(path)),
            };
            let frames = match (&contents[..], named.is_pattern) {
                ([(path, content)], false) => {
                    if let Content::Lut(lut) = content {
                        all.luts.insert(name.clone(), (**lut).clone());
                    }
                    tables::frames(&[(path.clone(), content)], false)
                }
                _ => tables::frames(&contents.iter().map(|(path, c)| (path.clone(), c)).collect::<Vec<_>>(), true),
            }
            .map_err(|problem| Problem::source(&named.text, problem))?;
            if let Content::Space(space) = content {
                if all.spaces.insert(space.name.clone(), (**space).clone()).is_some() {
                    return Err(Problem::Names(format!("two spaces are called `{}`", space.name)));
                }
                continue;
            }
            for (part, frame) in frames {
                // A run folder has several tables.
                let table = if content.kind() == Kind::Run { format!("{name}_{part}") } else { name.clone() };
                if all.tables.insert(table.clone(), frame.clone()).is_some() {
                    return Err(Problem::Names(format!("two sources have the table name `{table}`")));
                }
                kinds.entry(part).or_default().push((table, frame));
            }
        }
        for (kind, mut tables) in kinds {
            if let (1, Some((name, frame))) = (tables.len(), tables.pop()) {
                all.tables.entry(kind.to_owned()).or_insert(frame);
                if let (Some(lut), false) = (all.luts.get(&name).cloned(), all.luts.contains_key(kind)) {
                    all.luts.insert(kind.to_owned(), lut);
                }
            }
        }
        Ok(all)
    }
}

/// Whether a text is a table name without quotes.
fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The name of a file's table: the file's name without its ending, changed so that it needs no quotes.
fn name_of(path: &Path) -> String {
    let stem = path.file_stem().map_or_else(|| "table".to_owned(), |stem| stem.to_string_lossy().into_owned());
    let plain: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if is_name(&plain) { plain } else { format!("_{plain}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tables_need_no_quotes() {
        let names = ["a/lut.parquet", "mobilenet-cifar10.journal.jsonl", "2026.csv", "..", "층.json"];
        let made = names.map(|name| name_of(Path::new(name)));
        assert_eq!(made, ["lut", "mobilenet_cifar10_journal", "_2026", "table", "_"].map(str::to_owned));
        assert!(made.iter().all(|name| is_name(name)));
        assert!(!["", "1a", "a-b", "a.b", "a b"].into_iter().any(is_name));
    }
}
