//! `nasprof query`: it runs `nasprof-query`, which links polars.

use std::io::Write;
use std::process::{Command, ExitCode, Stdio};

use serde::{Deserialize, Serialize};

use super::status;
use crate::cli::QueryArgs;
use crate::failure::{Exit, Failure};
use crate::outputs::Outputs;
use crate::resolve;

/// Endings of answers.
const ANSWERS: [&str; 4] = ["parquet", "csv", "json", "jsonl"];

/// The request to the program, which has the same type.
#[derive(Serialize)]
struct Job<'a> {
    version: &'static str,
    sql: Option<&'a str>,
    sources: Vec<&'a str>,
    format: &'static str,
    output: Option<&'a str>,
    rows: usize,
    width: Option<usize>,
}

/// The program's report of a problem.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reported {
    message: String,
    hint: Option<String>,
}

pub(super) fn run(args: &QueryArgs) -> Result<ExitCode, Failure> {
    let (sql, mut sources) = (args.sql.as_deref(), args.sources.iter().map(String::as_str).collect::<Vec<_>>());
    let sql = if args.schema { None } else { sql };
    if args.schema {
        sources.splice(0..0, args.sql.as_deref());
    }
    if let Some(output) = &args.output {
        let paths = sources.iter().map(|source| source.split_once('=').map_or(*source, |(_, path)| path));
        Outputs::of(paths.chain(sources.iter().copied())).check("-o", output, &ANSWERS)?;
        if output.extension().is_none() {
            return Err(Failure::usage(format!("-o {}: has no extension", output.display()))
                .hint("use the extension .parquet, .csv or .json"));
        }
    }
    let not_text = |path: &std::path::Path| Failure::usage(format!("-o {}: is not UTF-8", path.display()));
    let output = args.output.as_deref().map(|path| path.to_str().ok_or_else(|| not_text(path))).transpose()?;
    let terminal = console::Term::stdout();
    let width = terminal.is_term().then(|| usize::from(terminal.size().1));
    let format = if args.json {
        "json"
    } else if args.csv {
        "csv"
    } else {
        "table"
    };
    ask(&Job { version: env!("CARGO_PKG_VERSION"), sql, sources, format, output, rows: args.rows, width })
}

/// Runs the program; it prints the answer itself.
fn ask(job: &Job<'_>) -> Result<ExitCode, Failure> {
    let program = resolve::query_program();
    let name = program.display();
    let cannot = |e: std::io::Error| {
        Failure::usage(format!("cannot run {name}: {e}"))
            .hint("build it with `make query`, and install it next to nasprof")
    };
    let mut child = Command::new(&program).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(cannot)?;
    let text = serde_json::to_vec(job).map_err(Failure::internal)?;
    // A child that does not read its job ends, and says more than the broken pipe.
    let _ = child.stdin.take().map(|mut input| input.write_all(&text));
    let output = child.wait_with_output().map_err(Failure::internal)?;
    if output.status.success() {
        return Ok(ExitCode::SUCCESS);
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let mut failure = None;
    for line in words.lines() {
        match serde_json::from_str::<Reported>(line) {
            Ok(reported) => failure = Some(reported),
            Err(_) => status(line),
        }
    }
    let Some(Reported { message, hint }) = failure else {
        return Err(Failure::internal(format!("{name}: {}", output.status)));
    };
    let exit = if output.status.code() == Some(Exit::Usage as i32) { Exit::Usage } else { Exit::Internal };
    let failure = Failure::new(exit, message);
    Err(match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    })
}
