//! The LUTs of a run, identified by content: a new measurement under the same path is another LUT.

use std::path::Path;
use std::{fs, io};

use nasprof_lut::replace_file;

use crate::config::Experiment;
use crate::folder::{FolderError, sha256};

/// The file in a run's folder, in the format of `sha256sum --check`.
const NAME: &str = "luts.sha256";

/// Records the digests of an experiment's LUTs.
///
/// # Errors
/// If a LUT cannot be read or the file cannot be written.
pub fn keep(folder: &Path, experiment: &Experiment) -> io::Result<()> {
    replace_file(&folder.join(NAME), listed(experiment)?.as_bytes())
}

/// Checks that an experiment's LUTs have not changed since the run in the folder began.
///
/// # Errors
/// A LUT that has changed or cannot be read; a missing list although there are LUTs, as in runs of the oldest versions.
pub fn check(folder: &Path, experiment: &Experiment) -> Result<(), FolderError> {
    if luts(experiment).next().is_none() {
        return Ok(());
    }
    let list = folder.join(NAME);
    let kept = fs::read_to_string(&list).map_err(|e| FolderError::file(&list, e))?;
    for lut in luts(experiment) {
        let line = line(lut).map_err(|e| FolderError::file(lut, e))?;
        if !kept.lines().any(|known| known == line.trim_end()) {
            return Err(FolderError::OtherLut { path: lut.to_owned() });
        }
    }
    Ok(())
}

fn listed(experiment: &Experiment) -> io::Result<String> {
    luts(experiment).map(line).collect()
}

fn luts(experiment: &Experiment) -> impl Iterator<Item = &Path> {
    experiment.regularizers.iter().filter_map(|regularizer| regularizer.lut.as_deref())
}

fn line(lut: &Path) -> io::Result<String> {
    Ok(format!("{}  {}\n", sha256(&fs::read(lut)?), lut.display()))
}
