//! Reads the existing files of a search's folder: a running search has a report, too.

use std::path::{Path, PathBuf};
use std::{fs, io};

use nasprof_graph::arch::ArchFile;
use nasprof_search::config::Experiment;
use nasprof_search::folder::check_against_list;
use nasprof_search::job::RunResult;
use nasprof_search::record::Record;

use crate::ReportError;

/// A search writes no larger files.
const MAX_BYTES: u64 = 256 << 20;
/// Columns that count steps; the first one present is used.
const STEPS: [&str; 3] = [EPOCH, "step", "iteration"];
const EPOCH: &str = "epoch";
/// The files that a report shows.
const FILES: [&str; 6] = ["metrics.csv", "arch.json", "result.json", "alphas.csv", "pareto.csv", "config.toml"];

/// The files of a search.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SearchRun {
    /// Numeric columns of `metrics.csv`; NaN for a cell without a number.
    pub metrics: Vec<Metric>,
    /// Best architecture so far, `arch.json`.
    pub arch: Option<ArchFile>,
    /// `result.json`, at the end of a run.
    pub result: Option<Record>,
    /// Probabilities of candidates over time, `alphas.csv`.
    pub alphas: Vec<AlphaRow>,
    /// Numeric columns of `pareto.csv`, the score last: the Pareto-optimal networks.
    pub front: Vec<Metric>,
    /// `config.toml`, as resolved by the search.
    pub config: Option<String>,
    /// Whether its files are those of the list in `run.sha256`; `false` without a list.
    pub is_verified: bool,
}

/// A column of numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Name in the file.
    pub name: String,
    /// One value for each row; NaN for an empty cell.
    pub values: Vec<f64>,
}

/// The probability of a candidate at a step.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
pub struct AlphaRow {
    /// The step.
    #[serde(alias = "epoch")]
    pub step: f64,
    /// Choice.
    pub choice: String,
    /// Candidate.
    pub candidate: String,
    /// Its probability.
    pub probability: f64,
}

impl SearchRun {
    /// Reads a folder.
    ///
    /// # Errors
    /// If it has no file of a search, a file of the finished run was altered, or the content of a file does not match its
    /// name.
    pub fn read(folder: &Path) -> Result<Self, ReportError> {
        let is_verified = check_against_list(folder, &FILES)?;
        let metrics = text(&folder.join("metrics.csv"))?.map(|(path, t)| columns(&path, &t)).transpose()?;
        let arch = text(&folder.join("arch.json"))?.map(|(path, t)| json(&path, &t)).transpose()?;
        let no_result =
            |path: &Path, e: serde_json::Error| ReportError::format(path, format!("is not the result of a run: {e}"));
        let result = text(&folder.join("result.json"))?
            .map(|(path, t)| Record::parse(&t).map_err(|e| no_result(&path, e)))
            .transpose()?;
        let alphas = text(&folder.join("alphas.csv"))?.map(|(path, t)| alphas(&path, &t)).transpose()?;
        let front =
            text(&folder.join("pareto.csv"))?.map(|(path, t)| columns(&path, &t)).transpose()?.unwrap_or_default();
        let config = text(&folder.join("config.toml"))?.map(|(_, t)| t);
        if metrics.is_none() && arch.is_none() && result.is_none() {
            return Err(ReportError::format(
                folder,
                "not the folder of a search: it has no metrics.csv, arch.json or result.json",
            ));
        }
        Ok(Self {
            metrics: metrics.unwrap_or_default(),
            arch,
            result,
            alphas: alphas.unwrap_or_default(),
            front,
            config,
            is_verified,
        })
    }

    /// The column that counts steps, else row numbers. Epochs count from 1; earlier versions wrote them from 0.
    pub(crate) fn steps(&self) -> (String, Vec<f64>) {
        let column = STEPS.iter().find_map(|name| self.metrics.iter().find(|m| m.name == *name));
        let rows = self.metrics.first().map_or(0, |m| m.values.len());
        let Some(column) = column else { return ("row".to_owned(), (1..=rows).map(|i| i as f64).collect()) };
        let from_zero = column.name == EPOCH && column.values.first() == Some(&0.0);
        let steps = column.values.iter().map(|step| if from_zero { step + 1.0 } else { *step });
        (column.name.clone(), steps.collect())
    }

    /// Whether the run is a training of one network instead of a search.
    #[must_use]
    pub fn is_training(&self) -> bool {
        let experiment = self.config.as_deref().and_then(|text| Experiment::parse(text, &[]).ok());
        let by_result = || self.trained().is_some_and(|result| result.training.is_some());
        experiment.map_or_else(by_result, |experiment| experiment.trainer.is_some())
    }

    /// The result, if it comes from training on images.
    pub(crate) fn trained(&self) -> Option<&RunResult> {
        self.result.as_ref()?.trained()
    }

    /// Columns that are not steps.
    pub(crate) fn curves(&self) -> impl Iterator<Item = &Metric> {
        self.metrics.iter().filter(|m| !STEPS.contains(&m.name.as_str()))
    }
}

/// A file's text with its path; `None` if it is not there.
fn text(path: &Path) -> Result<Option<(PathBuf, String)>, ReportError> {
    match fs::metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(ReportError::file(path, e)),
        Ok(facts) if facts.len() > MAX_BYTES => {
            return Err(ReportError::format(path, "the file is larger than 256 MiB"));
        }
        Ok(_) => {}
    }
    let text = fs::read_to_string(path).map_err(|e| ReportError::file(path, e))?;
    Ok(Some((path.to_owned(), text)))
}

fn json<T: serde::de::DeserializeOwned>(path: &Path, text: &str) -> Result<T, ReportError> {
    serde_json::from_str(text).map_err(|e| ReportError::format(path, e.to_string()))
}

/// Columns of numbers; columns without any number are ignored. An incomplete last line is also ignored: the search may
/// be writing it.
fn columns(path: &Path, text: &str) -> Result<Vec<Metric>, ReportError> {
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    let mut reader = csv::ReaderBuilder::new().from_reader(whole.as_bytes());
    let fail = |e: csv::Error| ReportError::format(path, e.to_string());
    let mut metrics: Vec<Metric> = reader
        .headers()
        .map_err(fail)?
        .iter()
        .map(|n| Metric { name: n.trim().to_owned(), values: Vec::new() })
        .collect();
    for record in reader.records() {
        for (metric, cell) in metrics.iter_mut().zip(record.map_err(fail)?.iter()) {
            metric.values.push(cell.trim().parse().unwrap_or(f64::NAN));
        }
    }
    metrics.retain(|m| m.values.iter().any(|v| v.is_finite()));
    Ok(metrics)
}

fn alphas(path: &Path, text: &str) -> Result<Vec<AlphaRow>, ReportError> {
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    let rows = csv::Reader::from_reader(whole.as_bytes()).into_deserialize().collect::<Result<Vec<AlphaRow>, _>>();
    let rows = rows.map_err(|e| ReportError::format(path, e.to_string()))?;
    // As in `SearchRun::steps`.
    let from_zero = whole.starts_with(EPOCH) && rows.first().is_some_and(|row| row.step == 0.0);
    let rows: Vec<AlphaRow> =
        rows.into_iter().map(|row| AlphaRow { step: row.step + f64::from(u8::from(from_zero)), ..row }).collect();
    match rows.iter().find(|r| !(0.0..=1.0).contains(&r.probability)) {
        Some(bad) => Err(ReportError::format(path, format!("{} is not a probability", bad.probability))),
        None => Ok(rows),
    }
}

#[cfg(test)]
mod tests {
    use nasprof_search::folder::write_result;
    use serde_json::json;

    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        folder
    }

    #[test]
    fn a_running_search_is_read_up_to_its_last_whole_line() {
        let run = SearchRun::read(folder(&[("metrics.csv", "epoch,loss,note\n0,1.5,a\n1,,b\n2,0.")]).path()).unwrap();
        // Earlier versions count from 0.
        assert_eq!(run.steps(), ("epoch".to_owned(), vec![1.0, 2.0]));
        let from_one = SearchRun::read(folder(&[("metrics.csv", "epoch,loss\n1,1.5\n2,1\n")]).path()).unwrap();
        assert_eq!(from_one.steps(), ("epoch".to_owned(), vec![1.0, 2.0]));
        let alphas = |text: &str| {
            let text = format!("epoch,choice,candidate,probability\n{text}");
            let files = folder(&[("metrics.csv", "epoch\n1\n"), ("alphas.csv", text.as_str())]);
            SearchRun::read(files.path()).unwrap().alphas.iter().map(|row| row.step).collect::<Vec<_>>()
        };
        assert_eq!([alphas("0,c,a,1\n1,c,a,1\n"), alphas("1,c,a,1\n2,c,a,1\n")], [[1.0, 2.0], [1.0, 2.0]]);
        assert_eq!(run.curves().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["loss"]);
        assert!(run.metrics[1].values[1].is_nan());
    }

    #[test]
    fn damage_is_named() {
        let problem = |files: &[(&str, &str)]| SearchRun::read(folder(files).path()).unwrap_err().to_string();
        assert!(problem(&[]).contains("not the folder of a search"));
        assert!(problem(&[("arch.json", "{\"format_version\":1}")]).contains("arch.json"));
        assert!(problem(&[("result.json", "{\"accuracy\":0.9}")]).contains("result.json: is not the result of a run"));
        assert!(problem(&[("metrics.csv", "a,b\n1,2\n1,2,3\n")]).contains("metrics.csv"));
        let alphas = "step,choice,candidate,probability\n0,c,a,1.5\n";
        assert!(problem(&[("metrics.csv", "epoch\n0\n"), ("alphas.csv", alphas)]).contains("1.5 is not a probability"));
    }

    /// A result that somebody improved is not shown, and one that cannot be checked says so.
    #[test]
    fn the_files_of_a_finished_run_are_those_it_wrote() {
        let result = json!({
            "format_version": 1, "arch": null, "feasible": true, "repaired": false, "accuracy": 0.25,
            "accuracy_of": "400 images", "quantities": [], "params": 1, "macs": 1, "seconds": 1.0, "seed": 0,
        });
        let folder = folder(&[("metrics.csv", "epoch,loss\n1,1.5\n"), ("weights.safetensors", "large")]);
        write_result(folder.path(), None, &result).unwrap();
        let page = || {
            let run = SearchRun::read(folder.path())?;
            Ok::<_, ReportError>(crate::search_report(&run, "run", None).replace('\u{a0}', " "))
        };
        let kept = fs::read_to_string(folder.path().join("result.json")).unwrap();
        assert!(page().unwrap().contains("25.0 %") && !page().unwrap().contains("Not verified"));
        // What a report does not show may be missing.
        fs::remove_file(folder.path().join("weights.safetensors")).unwrap();
        assert!(page().is_ok());
        fs::write(folder.path().join("result.json"), kept.replace("0.25", "0.98")).unwrap();
        let error = page().unwrap_err().to_string();
        assert!(error.contains("result.json: was altered"), "{error}");
        // The control: without the list nothing shows the change, and the page says that.
        fs::remove_file(folder.path().join("run.sha256")).unwrap();
        assert!(page().unwrap().contains("98.0 %") && page().unwrap().contains("Not verified"));
    }
}
