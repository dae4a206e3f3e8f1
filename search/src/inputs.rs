//! The measured inputs of a run, identified by content: a new file under the same path is another input.

use std::path::Path;
use std::{fs, io};

use nasprof_lut::replace_file;

use crate::config::Experiment;
use crate::folder::{FolderError, sha256};

/// The file in a run's folder, in the format of `sha256sum --check`.
const NAME: &str = "luts.sha256";

/// An input, with its kind in words.
type Input<'a> = (&'static str, &'a Path);

/// Records the digests of an experiment's LUTs and of its accuracy table.
///
/// # Errors
/// If one of them cannot be read or the file cannot be written.
pub fn keep(folder: &Path, experiment: &Experiment) -> io::Result<()> {
    let lines: String = inputs(experiment).map(|(_, input)| line(input)).collect::<io::Result<_>>()?;
    replace_file(&folder.join(NAME), lines.as_bytes())
}

/// Checks that an experiment's LUTs and its accuracy table have not changed since the run in the folder began.
///
/// # Errors
/// An input that has changed, cannot be read, or is not on the list; a missing list although there are inputs, as in runs of
/// the oldest versions.
pub fn check(folder: &Path, experiment: &Experiment) -> Result<(), FolderError> {
    let list = folder.join(NAME);
    if inputs(experiment).next().is_none() {
        return Ok(());
    }
    let kept = fs::read_to_string(&list).map_err(|e| FolderError::file(&list, e))?;
    for (what, input) in inputs(experiment) {
        let line = line(input).map_err(|e| FolderError::file(input, e))?;
        if kept.lines().any(|known| known == line.trim_end()) {
            continue;
        }
        let name = input.display().to_string();
        if kept.lines().any(|known| known.split_once("  ").is_some_and(|(_, known)| known == name)) {
            return Err(FolderError::OtherInput { what, path: input.to_owned() });
        }
        let problem = format!("has no checksum of the {what} {name}; runs of versions before 0.3 may lack it");
        return Err(FolderError::Format { path: list, problem });
    }
    Ok(())
}

fn inputs(experiment: &Experiment) -> impl Iterator<Item = Input<'_>> {
    let luts = experiment.regularizers.iter().filter_map(|regularizer| regularizer.lut.as_deref());
    luts.map(|lut| ("LUT", lut)).chain(experiment.accuracy_table.as_deref().map(|table| ("accuracy table", table)))
}

fn line(input: &Path) -> io::Result<String> {
    Ok(format!("{}  {}\n", sha256(&fs::read(input)?), input.display()))
}
