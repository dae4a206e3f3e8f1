//! The result of a validation: computed, printed and read again.

use nasprof_graph::arch::ArchFile;
use nasprof_profiler::protocol::Timing;
use serde::{Deserialize, Serialize};

/// One holdout network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValidationRow {
    /// Its architecture.
    pub arch: ArchFile,
    /// Measured milliseconds: the trimmed mean of its clean runs, as the mean over the processes that measured it.
    pub measured_ms: f64,
    /// Interval around the median of rounds; of the mean over processes where several measured it.
    pub ci: Option<[f64; 2]>,
    /// The trimmed mean in each process, milliseconds, where several measured it.
    #[serde(default, skip_serializing_if = "is_one_process")]
    pub processes_ms: Vec<f64>,
    /// Estimated milliseconds, before the level is taken out.
    pub estimated_ms: f64,
    /// The estimate's interval.
    pub interval: Option<[f64; 2]>,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

fn is_one_process(processes_ms: &[f64]) -> bool {
    processes_ms.len() < 2
}

/// The errors of predictions. `nasprof validate --json` prints it as JSON. When it is read, unknown values are ignored,
/// because a later version may have more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// Holdout networks.
    pub n: usize,
    /// More networks that were drawn and left out, because the LUT has no entry for one of their layers.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub uncovered: usize,
    /// Requested networks that were left out, because the LUT was made from them: their errors say little about others.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub known: usize,
    /// Processes that were disturbed and do not count: they ran the anchors more than 10 % slower than the median process.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub disturbed_processes: usize,
    /// Measured over estimated on the anchors, in this run; absent if the LUT has no anchors.
    pub level: Option<f64>,
    /// Its 95 % interval.
    pub level_interval: Option<[f64; 2]>,
    /// Mean absolute relative error after dividing by the level.
    pub mape: f64,
    /// The noise floor: the part of `mape` that is noise of the measured times, not error of the LUT. It would remain
    /// if the estimates had no error. With one process, it does not include differences between processes. Absent if
    /// too little was measured.
    #[serde(default, alias = "noise")]
    pub noise_floor: Option<f64>,
    /// Mean relative error after dividing by the level.
    pub bias: f64,
    /// Share within 2 %. The shares follow from the rows, and are computed again when a file is read.
    #[serde(default)]
    pub within_2: f64,
    /// Share within 5 %.
    #[serde(default)]
    pub within_5: f64,
    /// Share within 10 %.
    #[serde(default)]
    pub within_10: f64,
    /// Rank correlation.
    pub spearman: Option<f64>,
    /// Mean absolute relative error before the level is taken out.
    pub raw_mape: f64,
    /// Mean absolute relative error of a LUT of isolated layers, without correction.
    pub isolated_mape: Option<f64>,
    /// Share of raw measurements inside the estimates' intervals.
    pub covered: Option<f64>,
    /// The kind of GPU latency compared; absent for other devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
    /// Seed of the networks and their order; absent in files without it.
    pub seed: Option<u64>,
    /// The networks.
    pub rows: Vec<ValidationRow>,
}

impl Validation {
    /// Reads the JSON.
    ///
    /// # Errors
    /// If the text is not JSON, lacks a value, or has a time that is not positive.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut validation: Self = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if let Some(bad) = validation.level.filter(|l| !is_time(*l)) {
            return Err(format!("level: {bad} is not a positive number"));
        }
        for (i, row) in validation.rows.iter().enumerate() {
            for (name, value) in [("measured_ms", row.measured_ms), ("estimated_ms", row.estimated_ms)] {
                if !is_time(value) {
                    return Err(format!("rows[{i}].{name}: {value} is not a positive number"));
                }
            }
        }
        let (n, rows) = (validation.n, validation.rows.len());
        if rows != n {
            return Err(format!("n is {n}, but there are {rows} rows: the file was cut or changed"));
        }
        let errors = validation.errors();
        [validation.within_2, validation.within_5, validation.within_10] =
            [0.02, 0.05, 0.10].map(|limit| share_within(&errors, limit));
        Ok(validation)
    }

    /// The factor on estimates before the comparison: the level, if it is known.
    #[must_use]
    pub fn factor(&self) -> f64 {
        self.level.unwrap_or(1.0)
    }

    /// Relative errors after the level, in the order of rows.
    #[must_use]
    pub fn errors(&self) -> Vec<f64> {
        self.rows.iter().map(|r| r.estimated_ms * self.factor() / r.measured_ms - 1.0).collect()
    }
}

/// Share of the errors that are no larger than this; 0 without errors.
pub(crate) fn share_within(errors: &[f64], limit: f64) -> f64 {
    errors.iter().filter(|e| e.abs() <= limit).count() as f64 / errors.len().max(1) as f64
}

fn is_time(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validation() -> Validation {
        let arch = ArchFile { format_version: 1, space: "small".to_owned(), choices: [].into() };
        let row = ValidationRow {
            arch,
            measured_ms: 2.0,
            ci: Some([1.9, 2.1]),
            processes_ms: vec![1.9, 2.1],
            estimated_ms: 1.0,
            interval: None,
        };
        Validation {
            uncovered: 0,
            known: 0,
            disturbed_processes: 0,
            n: 1,
            level: Some(1.5),
            level_interval: Some([1.4, 1.6]),
            mape: 0.25,
            noise_floor: None,
            bias: -0.25,
            within_2: 0.0,
            within_5: 0.0,
            within_10: 0.0,
            spearman: None,
            raw_mape: 0.5,
            isolated_mape: None,
            covered: None,
            timing: None,
            seed: Some(7),
            rows: vec![row],
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let validation = validation();
        let text = serde_json::to_string(&validation).unwrap();
        assert_eq!(Validation::parse(&text).unwrap(), validation);
        assert_eq!((validation.factor(), validation.errors()), (1.5, vec![-0.25]));
    }

    /// Files of the first version, files with values of later versions, and files with impossible values.
    #[test]
    fn old_files_are_read_and_damaged_ones_are_not() {
        let mut old = serde_json::to_value(validation()).unwrap();
        let absent =
            ["noise", "level_interval", "spearman", "isolated_mape", "covered", "seed", "within_2", "within_10"];
        for key in absent {
            old.as_object_mut().unwrap().remove(key);
        }
        old["rows"][0].as_object_mut().unwrap().remove("processes_ms");
        old["more"] = 1.into();
        let read = Validation::parse(&old.to_string()).unwrap();
        assert_eq!((read.seed, read.noise_floor, read.rows[0].measured_ms), (None, None, 2.0));
        old["rows"][0]["estimated_ms"] = 1.28.into();
        let read = Validation::parse(&old.to_string()).unwrap();
        assert_eq!((read.within_2, read.within_5, read.within_10), (0.0, 1.0, 1.0));
        for (place, value) in [("/n", 2.into()), ("/level", 0.0.into()), ("/rows/0/measured_ms", (-1.0).into())] {
            let mut damaged = old.clone();
            *damaged.pointer_mut(place).unwrap() = value;
            Validation::parse(&damaged.to_string()).unwrap_err();
        }
    }
}
