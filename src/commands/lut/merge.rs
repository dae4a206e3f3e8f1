//! `nasprof lut merge`: makes one LUT of several.

use std::path::{Path, PathBuf};

use nasprof_lut::{MergeError, merge, read, write};
use nasprof_spaces::Space;
use serde_json::json;

use super::super::table::{Tone, paint};
use super::super::{path_text, print, print_json};
use super::check_output;
use crate::failure::Failure;

pub(super) fn run(inputs: &[PathBuf], output: &Path, as_json: bool) -> Result<(), Failure> {
    check_output(inputs, output)?;
    let mut luts = inputs.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    // With the same digest, records of whole networks survive the merge of a space's older and newer LUTs.
    luts.iter_mut().for_each(|lut| lut.renew_digests(|space| Some(Space::builtin(space).ok()?.graph.identity())));
    let merged = merge(&luts).map_err(|error| named(error, inputs))?;
    write(&merged.lut, output)?;
    let (rows, parts) = (merged.lut.rows.len(), merged.lut.context.parts.len());
    if as_json {
        return print_json(
            &json!({"lut": path_text(output), "rows": rows, "parts": parts, "conflicts": merged.conflicts}),
        );
    }
    print(format!("{} ({rows} rows from {parts} measurements)", output.display()))?;
    for conflict in &merged.conflicts {
        print(paint(Tone::Doubtful, format!("  {}: {}", conflict.key, conflict.problem)))?;
    }
    Ok(())
}

/// Names the files where the library counts LUTs.
fn named(error: MergeError, inputs: &[PathBuf]) -> Failure {
    let name = |number: usize| inputs.get(number - 1).map_or_else(String::new, |path| path.display().to_string());
    match error {
        MergeError::Twice { first, number } => {
            let problem = "they hold the same session, which would count twice";
            Failure::usage(format!("{} and {}: {problem}", name(first), name(number)))
                .hint("leave one of them out, or merge LUTs of different measurements")
        }
        error => error.into(),
    }
}
