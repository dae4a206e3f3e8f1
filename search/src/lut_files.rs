//! The LUTs of a run, identified by content: a LUT that was measured again under the same path is another one.

use std::path::{Path, PathBuf};
use std::{fs, io};

use nasprof_lut::replace_file;
use sha2::{Digest, Sha256};

use crate::config::Experiment;

/// The file in a run's folder, as `sha256sum --check` reads it.
const NAME: &str = "luts.sha256";

/// Writes down what the LUTs of an experiment are.
///
/// # Errors
/// If a LUT cannot be read or the file cannot be written.
pub fn keep(folder: &Path, experiment: &Experiment) -> io::Result<()> {
    replace_file(&folder.join(NAME), listed(experiment)?.as_bytes())
}

/// The first LUT of an experiment that is not what it was when the run in the folder was begun. Runs of older versions
/// wrote nothing down.
#[must_use]
pub fn changed(folder: &Path, experiment: &Experiment) -> Option<PathBuf> {
    let kept = fs::read_to_string(folder.join(NAME)).ok()?;
    let is_other = |lut: &&Path| line(lut).is_ok_and(|line| !kept.contains(&line));
    luts(experiment).find(is_other).map(Path::to_owned)
}

fn listed(experiment: &Experiment) -> io::Result<String> {
    luts(experiment).map(line).collect()
}

fn luts(experiment: &Experiment) -> impl Iterator<Item = &Path> {
    experiment.regularizers.iter().filter_map(|regularizer| regularizer.lut.as_deref())
}

fn line(lut: &Path) -> io::Result<String> {
    let digest: String = Sha256::digest(fs::read(lut)?).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{digest}  {}\n", lut.display()))
}
