//! `nasprof train`: one network, or a list of them.

use std::path::Path;
use std::process::ExitCode;

use nasprof_search::config::Experiment;
use nasprof_search::job::{Job, Task};
use nasprof_search::pipeline;
use nasprof_search::trials::{Outcome, Record, read_table};
use serde_json::json;

use super::search::{existing, folder};
use super::search_program::{Program, start};
use super::search_result::print_result;
use super::{print, print_json};
use crate::cli::TrainArgs;
use crate::failure::Failure;
use crate::outputs::Outputs;

pub(super) fn train(args: &TrainArgs) -> Result<ExitCode, Failure> {
    let run = &args.run;
    let experiment = Experiment::read(&run.experiment, &run.set)?;
    if experiment.trainer.is_none() {
        let name = run.experiment.display();
        return Err(Failure::usage(format!("{name} has no table `trainer`")).hint("`nasprof search` runs searches"));
    }
    let folder = folder(run, &experiment)?;
    let existing = existing(run);
    let Some(list) = &args.many else {
        let job = Job { task: Task::Run, folder, experiment, existing };
        let result = pipeline::trained(&job, &mut Program, None)?;
        return print_result(run, &job.folder, &result);
    };
    Outputs::of([list.clone()]).check_folder(&folder, &["networks.jsonl", "networks.parquet"])?;
    let job = Job { task: Task::TrainMany { list: list.clone() }, folder, experiment, existing };
    start(&job)?;
    summary(&job.folder, run.json)
}

/// What came of all networks.
fn summary(folder: &Path, as_json: bool) -> Result<ExitCode, Failure> {
    let table = folder.join("networks.parquet");
    let records = read_table(&table).map_err(Failure::internal)?;
    let accuracy = |record: &Record| match &record.outcome {
        Outcome::Trained { test_accuracy, .. } => Some(*test_accuracy),
        Outcome::Failed { .. } => None,
    };
    let accuracies: Vec<f64> = records.iter().filter_map(accuracy).collect();
    let (trained, failed) = (accuracies.len(), records.len() - accuracies.len());
    let mean = (trained > 0).then(|| accuracies.iter().sum::<f64>() / trained as f64);
    let best = accuracies.iter().copied().reduce(f64::max);
    if as_json {
        print_json(&json!({
            "table": table, "trained": trained, "failed": failed, "mean_test_accuracy": mean, "best_test_accuracy": best
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    print(format!("table         {}", table.display()))?;
    print(format!("trained       {trained} networks"))?;
    if failed > 0 {
        print(format!("failed        {failed} networks: column `problem` says why"))?;
    }
    if let (Some(mean), Some(best)) = (mean, best) {
        print(format!("test accuracy {mean:.4} in the mean, {best:.4} at most"))?;
    }
    Ok(ExitCode::SUCCESS)
}
