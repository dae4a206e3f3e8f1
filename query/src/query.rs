//! Reads, asks, answers.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

use nasprof_base::caught;
use polars::prelude::{DataFrame, PolarsError};
use polars::sql::SQLContext;
use polars_lazy::frame::IntoLazy;
use sqlparser::ast::Statement;

use crate::error::Problem;
use crate::job::Job;
use crate::sources::Sources;
use crate::{output, schema, space_function, sql};

/// Answers a query on `printed`, or in the file that it names.
///
/// # Errors
/// If a file is not what it should be, the query is wrong, or the answer cannot be written.
pub fn run(job: &Job, printed: &mut impl Write) -> Result<(), Problem> {
    // Before anything is read: what is wrong with the text is known at once.
    let mut statement = job.sql.as_deref().map(sql::parse).transpose()?;
    let sources = Sources::read(&job.sources)?;
    let answer = match &mut statement {
        None => schema::frame(&sources)?,
        Some(statement) => answer(statement, &sources)?,
    };
    match &job.output {
        None => output::print(&answer, job, printed),
        Some(path) => {
            check_output(path, &sources.files)?;
            output::write(&answer, path)
        }
    }
}

fn answer(statement: &mut Statement, sources: &Sources) -> Result<DataFrame, Problem> {
    let made = space_function::replace(statement, sources)?;
    let tables = sources.tables.iter().chain(made.iter().map(|(name, frame)| (name, frame)));
    let mut context = SQLContext::new();
    let (mut names, mut columns) = (Vec::new(), Vec::new());
    for (name, frame) in tables {
        context.register(name, frame.clone().lazy());
        names.push(name.as_str());
        columns.extend(frame.get_column_names().into_iter().map(|name| name.as_str()));
    }
    sql::sign_counts(statement);
    let text = statement.to_string();
    let run = || context.execute(&text).and_then(|frame| frame.collect());
    let result: Option<Result<DataFrame, PolarsError>> = caught(AssertUnwindSafe(run));
    match result {
        Some(Ok(frame)) => Ok(frame),
        Some(Err(error)) => Err(sql::of_polars(&error, statement, &names, &columns)),
        None => Err(Problem::Internal("this query is more than it can do".to_owned())),
    }
}

/// A file that was read is never written: the same file by another name counts.
fn check_output(path: &Path, files: &[PathBuf]) -> Result<(), Problem> {
    let identity = |path: &Path| std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    let is_read = |output| files.iter().any(|file| identity(file) == Some(output));
    match identity(path) {
        Some(output) if is_read(output) => {
            Err(Problem::Output { path: path.display().to_string(), problem: "it would overwrite an input".to_owned() })
        }
        _ => Ok(()),
    }
}
