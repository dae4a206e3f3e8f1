//! Reads the sources, runs the query, writes the answer.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

use nasprof_base::caught;
use polars::prelude::{DataFrame, IdxSize, PolarsError};
use polars::sql::SQLContext;
use polars_lazy::frame::IntoLazy;
use sqlparser::ast::Statement;

use crate::error::Problem;
use crate::job::{Format, Job};
use crate::output::{self, Ending};
use crate::sources::Sources;
use crate::tables::journal;
use crate::taken::Taken;
use crate::wanted::Wanted;
use crate::{schema, space_function, sql};

/// Writes the answer of a query to `printed`, or to the job's output file.
///
/// # Errors
/// If a file has the wrong content, the query is wrong, or the answer cannot be written.
pub fn run(job: &Job, printed: &mut impl Write) -> Result<(), Problem> {
    // Before reading any file: problems of the query or the output are reported at once.
    let mut statement = job.sql.as_deref().map(sql::parse).transpose()?;
    let ending = job.output.as_deref().map(|path| Ending::of(path).map(|ending| (path, ending))).transpose()?;
    let sources = Sources::read(&job.sources, &statement.as_ref().map_or(Wanted::All, Wanted::by))?;
    let seen = if job.output.is_none() && job.format == Format::Table { job.rows } else { 0 };
    let answer = match &mut statement {
        None => Answer::whole(schema::frame(&sources)?),
        Some(statement) => answer(statement, &sources, seen)?,
    };
    match ending {
        None => output::print(&answer.rows, answer.height, job, printed),
        Some((path, ending)) => {
            check_output(path, &sources.files)?;
            output::write(&answer.rows, path, ending)
        }
    }
}

/// Rows of an answer, and their number; rows that are not shown may be absent.
struct Answer {
    rows: DataFrame,
    height: usize,
}

impl Answer {
    fn whole(rows: DataFrame) -> Self {
        Self { height: rows.height(), rows }
    }
}

/// The answer to a query, of which the first `seen` rows are shown; 0: all.
fn answer(statement: &mut Statement, sources: &Sources, seen: usize) -> Result<Answer, Problem> {
    let made = space_function::replace(statement, sources)?;
    let tables = sources.tables.iter().chain(made.iter().map(|(name, frame)| (name, frame)));
    let mut context = SQLContext::new();
    let (mut names, mut columns) = (Vec::new(), Vec::new());
    for (name, frame) in tables {
        context.register(name, frame.clone().lazy());
        names.push(name.as_str());
        columns.extend(frame.get_column_names().into_iter().map(|name| name.as_str()));
    }
    if sources.has_journal {
        columns.extend(journal::NAMES);
    }
    let taken = Taken::by(statement);
    sql::sign_counts(statement);
    let text = statement.to_string();
    let run = || answer_by(&mut context, &text, taken, sources, seen);
    let result: Option<Result<Answer, PolarsError>> = caught(AssertUnwindSafe(run));
    match result {
        Some(Ok(answer)) => Ok(answer),
        Some(Err(error)) => Err(sql::of_polars(&error, statement, &names, &columns)),
        None => Err(Problem::Internal("this query is not supported".to_owned())),
    }
}

/// If a query only takes rows of a table, rows that are not shown are counted but not sorted.
fn answer_by(
    context: &mut SQLContext,
    text: &str,
    taken: Option<Taken>,
    sources: &Sources,
    seen: usize,
) -> Result<Answer, PolarsError> {
    let Some(taken) = taken else { return context.execute(text)?.collect().map(Answer::whole) };
    let height = match &taken.count {
        Some(count) if seen > 0 => {
            let count = context.execute(&count.to_string())?.collect()?;
            count.columns().first().and_then(|column| column.get(0).ok()?.extract::<usize>())
        }
        _ => None,
    };
    if let Some(table) = sources.tables.get(&taken.table)
        && let Some(candidates) = taken.candidates(table, seen)?
    {
        context.register(&taken.table, candidates.lazy());
    }
    let rows = context.execute(text)?;
    match height {
        Some(height) => {
            Ok(Answer { rows: rows.limit(IdxSize::try_from(seen).unwrap_or(IdxSize::MAX)).collect()?, height })
        }
        None => rows.collect().map(Answer::whole),
    }
}

/// Refuses an output that was read, also under another name.
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
