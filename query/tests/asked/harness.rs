//! A folder with a file of each kind, and queries in it.

use std::fs;
use std::path::{Path, PathBuf};

use nasprof_lut::{Lut, from_journal};
use nasprof_profiler::journal::Writer;
use nasprof_query::{Format, Job, Problem, run};
use nasprof_spaces::{Space, SpaceSpec};
use nasprof_testkit::luts::synthetic_events;
use serde_json::Value;
use tempfile::TempDir;

/// Two choices.
pub(crate) const SPACE: &str = "format_version = 1\nkind = \"mobilenet\"\ninput = [3, 16, 16]\nnum_classes = 10\n\
    settings = [[24, 2, 2]]\ncandidates = [\"MB3 3x3\", \"MB6 5x5\"]\nskip_connect = true\n";

pub(crate) fn small() -> Space {
    SpaceSpec::parse(SPACE).unwrap().build("small").unwrap()
}

/// What is published in this repository.
pub(crate) fn published(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../benchmarks/results").join(path)
}

pub(crate) struct Folder {
    folder: TempDir,
    pub(crate) lut: Lut,
}

impl Folder {
    /// `lut.parquet` with its journal, the space and a run.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let events = synthetic_events(&small(), "preempted", 0);
        let path = folder.path().join("lut.journal.jsonl");
        let mut writer = Writer::create(&path).unwrap();
        events.iter().for_each(|event| writer.append(event).unwrap());
        drop(writer);
        let lut = from_journal(&events).unwrap();
        nasprof_lut::write(&lut, &folder.path().join("lut.parquet")).unwrap();
        fs::write(folder.path().join("small.toml"), SPACE).unwrap();
        let run = folder.path().join("run");
        fs::create_dir(&run).unwrap();
        fs::write(run.join("metrics.csv"), "epoch,loss,train/error\n1,2.5,0.9\n2,1.25,\n").unwrap();
        fs::write(run.join("alphas.csv"), "epoch,choice,candidate,probability\n1,blocks/0,MB3 3x3,0.5\n").unwrap();
        Self { folder, lut }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A job; sources are names in the folder, perhaps behind `NAME=`.
    pub(crate) fn job(&self, sql: &str, sources: &[&str]) -> Job {
        let place = |source: &&str| match source.split_once('=') {
            Some((name, path)) => format!("{name}={}", self.path(path).display()),
            None => self.path(source).display().to_string(),
        };
        Job {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            sql: Some(sql.to_owned()),
            sources: sources.iter().map(place).collect(),
            format: Format::Json,
            output: None,
            rows: 0,
            width: None,
        }
    }

    pub(crate) fn ask(&self, sql: &str, sources: &[&str]) -> Result<Vec<Value>, Problem> {
        let text = printed(&self.job(sql, sources))?;
        Ok(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    /// The rows of an answer.
    pub(crate) fn rows(&self, sql: &str, sources: &[&str]) -> Vec<Value> {
        self.ask(sql, sources).unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    /// The words and the hint of a refusal.
    pub(crate) fn refused(&self, sql: &str, sources: &[&str]) -> String {
        match self.ask(sql, sources) {
            Ok(rows) => panic!("{sql}: {rows:?}"),
            Err(problem) => format!("{problem} | {}", problem.hint().unwrap_or_default()),
        }
    }
}

pub(crate) fn printed(job: &Job) -> Result<String, Problem> {
    let mut text = Vec::new();
    run(job, &mut text)?;
    Ok(String::from_utf8(text).unwrap())
}
