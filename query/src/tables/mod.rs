//! Files as tables.

mod frame;
pub(crate) mod journal;
mod layer;
mod lut;
mod run_folder;
pub(crate) mod space;
mod validation;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use nasprof_lut::{Lut, Validation};
use nasprof_spaces::{Space, SpaceSpec};
use polars::prelude::{Column, DataFrame};

use self::frame::with_file;
use self::run_folder::RunFolder;
use crate::wanted::Wanted;

/// nasprof writes no larger validations and spaces.
const MAX_BYTES: u64 = 256 << 20;

/// What a file holds.
pub(crate) enum Content {
    Lut(Box<Lut>),
    /// Columns of its samples.
    Journal(Vec<Column>),
    Validation(Box<Validation>),
    Run(RunFolder),
    Space(Box<Space>),
}

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Lut,
    Journal,
    Validation,
    Run,
    Space,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lut => "lut",
            Self::Journal => "journal",
            Self::Validation => "validation",
            Self::Run => "run",
            Self::Space => "space",
        }
    }
}

impl Content {
    /// Reads a file or a run folder, whole and checked. A journal keeps only the wanted columns.
    pub(crate) fn read(path: &Path, wanted: &Wanted) -> Result<Self, String> {
        if path.is_dir() {
            return Ok(Self::Run(RunFolder::read(path)?));
        }
        match path.extension().and_then(|ending| ending.to_str()).unwrap_or_default() {
            "parquet" | "csv" => lut_of(path),
            "jsonl" => journal::columns(path, wanted).map(Self::Journal),
            // Both are written as JSON; a LUT has a context, a validation none.
            "json" => {
                let text = text(path)?;
                let is_lut = serde_json::from_str::<serde_json::Value>(&text).is_ok_and(|v| v.get("context").is_some());
                match is_lut {
                    true => lut_of(path),
                    false => Ok(Self::Validation(Box::new(Validation::parse(&text)?))),
                }
            }
            "toml" => {
                let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
                let spec = SpaceSpec::parse(&text(path)?).map_err(|e| e.to_string())?;
                Ok(Self::Space(Box::new(spec.build(&stem).map_err(|e| e.to_string())?)))
            }
            _ => Err(
                "is not a LUT (.parquet, .csv, .json), a journal (.jsonl), a validation (.json), a run folder or a \
                      space (.toml)"
                    .to_owned(),
            ),
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Lut(_) => Kind::Lut,
            Self::Journal(_) => Kind::Journal,
            Self::Validation(_) => Kind::Validation,
            Self::Run(_) => Kind::Run,
            Self::Space(_) => Kind::Space,
        }
    }

    /// Its tables, each with the name of its kind.
    fn columns(&self) -> Result<Vec<(&'static str, Vec<Column>)>, String> {
        match self {
            Self::Lut(lut) => Ok(vec![("lut", lut::columns(lut))]),
            Self::Journal(columns) => Ok(vec![("journal", columns.clone())]),
            Self::Validation(validation) => Ok(vec![("validation", validation::columns(validation)?)]),
            Self::Run(run) => Ok(run.columns()),
            Self::Space(_) => Ok(Vec::new()),
        }
    }
}

fn lut_of(path: &Path) -> Result<Content, String> {
    nasprof_lut::read(path).map(|lut| Content::Lut(Box::new(lut))).map_err(|e| e.to_string())
}

fn text(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text));
    match read.map_err(|e| e.to_string())? as u64 {
        length if length > MAX_BYTES => Err(format!("larger than {} MiB", MAX_BYTES >> 20)),
        _ => Ok(text),
    }
}

/// The tables of files of one kind; several files are appended to one another, with a column `file`.
pub(crate) fn frames(
    files: &[(String, &Content)],
    names_files: bool,
) -> Result<Vec<(&'static str, DataFrame)>, String> {
    let mut all: Vec<(&'static str, DataFrame)> = Vec::new();
    for (file, content) in files {
        for (kind, mut columns) in content.columns().map_err(|e| format!("{file}: {e}"))? {
            if names_files {
                with_file(&mut columns, file);
            }
            let frame = DataFrame::new_infer_height(columns).map_err(|e| e.to_string())?;
            match all.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, above)) => *above = frame::below(above, frame)?,
                None => all.push((kind, frame)),
            }
        }
    }
    Ok(all)
}
