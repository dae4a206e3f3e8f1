//! What `nasprof validate --json` printed.

use nasprof_graph::arch::ArchFile;
use serde::Deserialize;

/// A validation as its JSON has it. Fields that this version does not know are left aside: the file was made by a
/// program, and a later one may say more.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ValidationResult {
    /// Holdout networks.
    pub n: usize,
    /// Measured over estimated on the anchors.
    pub level: Option<f64>,
    /// Its 95 % interval.
    #[serde(default)]
    pub level_interval: Option<[f64; 2]>,
    /// Mean absolute relative error after dividing by the level.
    pub mape: f64,
    /// The noise floor: what of it is noise of the measured times.
    #[serde(default, alias = "noise")]
    pub noise_floor: Option<f64>,
    /// Mean relative error after dividing by the level.
    pub bias: f64,
    /// Mean absolute relative error before.
    pub raw_mape: f64,
    /// Rank correlation.
    #[serde(default)]
    pub spearman: Option<f64>,
    /// The same error of a LUT of isolated layers.
    #[serde(default)]
    pub isolated_mape: Option<f64>,
    /// Share of measurements inside the estimates' intervals.
    #[serde(default)]
    pub covered: Option<f64>,
    /// Seed of the networks.
    #[serde(default)]
    pub seed: Option<u64>,
    /// The networks.
    pub rows: Vec<ResultRow>,
}

/// One network.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ResultRow {
    /// Its architecture.
    pub arch: ArchFile,
    /// Milliseconds.
    pub measured_ms: f64,
    /// Interval around the median of rounds.
    #[serde(default)]
    pub ci: Option<[f64; 2]>,
    /// Milliseconds, before the level is taken out.
    pub estimated_ms: f64,
    /// The estimate's interval.
    #[serde(default)]
    pub interval: Option<[f64; 2]>,
}

impl ValidationResult {
    /// Reads the JSON.
    ///
    /// # Errors
    /// What is wrong with it: no JSON, a missing value, or a time that is not positive.
    pub fn parse(text: &str) -> Result<Self, String> {
        let result: Self = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if let Some(bad) = result.level.filter(|l| !is_time(*l)) {
            return Err(format!("level: {bad} is not a positive number"));
        }
        for (i, row) in result.rows.iter().enumerate() {
            for (name, value) in [("measured_ms", row.measured_ms), ("estimated_ms", row.estimated_ms)] {
                if !is_time(value) {
                    return Err(format!("rows[{i}].{name}: {value} is not a positive number"));
                }
            }
        }
        if result.rows.len() == result.n {
            return Ok(result);
        }
        Err(format!("n is {}, but there are {} rows: the file was cut or changed", result.n, result.rows.len()))
    }

    /// What estimates are multiplied by before they are compared: the level, where it is known.
    pub(crate) fn factor(&self) -> f64 {
        self.level.unwrap_or(1.0)
    }

    /// Relative errors after the level, in the order of rows.
    pub(crate) fn errors(&self) -> Vec<f64> {
        self.rows.iter().map(|r| r.estimated_ms * self.factor() / r.measured_ms - 1.0).collect()
    }
}

fn is_time(value: f64) -> bool {
    value.is_finite() && value > 0.0
}
