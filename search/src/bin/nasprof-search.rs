//! Runs one search or training for `nasprof`: a job as JSON on the standard input, progress on the error output, the
//! result in the run folder.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use nasprof_search::SearchError;
use nasprof_search::job::Job;
use nasprof_search::run::run;

/// Jobs are a few kilobytes.
const MAX_JOB: u64 = 1 << 20;

/// Nothing can be done about a closed error output.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn main() -> ExitCode {
    let mut text = String::new();
    let job: Job = match io::stdin().take(MAX_JOB).read_to_string(&mut text).map(|_| serde_json::from_str(&text)) {
        Ok(Ok(job)) => job,
        Ok(Err(error)) => {
            say(&format!("error: the job on the standard input: {error}"));
            say("hint: this program is run by `nasprof search` and `nasprof train`");
            return ExitCode::from(2);
        }
        Err(error) => {
            say(&format!("error: cannot read the standard input: {error}"));
            return ExitCode::from(1);
        }
    };
    match run(&job, &mut say) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}"));
            if let Some(hint) = error.hint() {
                say(&format!("hint: {hint}"));
            }
            ExitCode::from(match error {
                SearchError::Network(_) | SearchError::File { .. } => 1,
                _ => 2,
            })
        }
    }
}
