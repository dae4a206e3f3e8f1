//! Started by `nasprof query`: reads a job from stdin, prints the answer, and reports a problem as one line of JSON on
//! stderr.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use nasprof_query::{Job, Problem, Reported, run};

/// Exit codes, as in `nasprof`.
const INTERNAL: u8 = 1;
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let (reported, code) = match asked() {
        Ok(job) => match run(&job, &mut io::stdout().lock()) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(problem) => (Reported::from(&problem), code(&problem)),
        },
        Err(reported) => (reported, USAGE),
    };
    // A closed error output is ignored.
    if let Ok(line) = serde_json::to_string(&reported) {
        let _ = writeln!(io::stderr(), "{line}");
    }
    ExitCode::from(code)
}

fn code(problem: &Problem) -> u8 {
    if problem.is_usage() { USAGE } else { INTERNAL }
}

fn asked() -> Result<Job, Reported> {
    let refused = |message: String, hint: &str| Reported { message, hint: Some(hint.to_owned()) };
    let mut text = String::new();
    let read = io::stdin().take(1 << 24).read_to_string(&mut text);
    read.map_err(|e| refused(format!("cannot read stdin: {e}"), "run `nasprof query` instead"))?;
    let version = serde_json::from_str::<serde_json::Value>(&text).ok();
    let version = version.and_then(|job| job.get("version").and_then(|v| v.as_str().map(ToOwned::to_owned)));
    if let Some(other) = version.filter(|version| version != env!("CARGO_PKG_VERSION")) {
        let message = format!("nasprof-query is version {}, nasprof is {other}", env!("CARGO_PKG_VERSION"));
        return Err(refused(message, "build both with `make build query`"));
    }
    serde_json::from_str(&text)
        .map_err(|e| refused(format!("not a job of nasprof: {e}"), "run `nasprof query` instead"))
}
