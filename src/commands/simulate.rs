//! `nasprof simulate`: search methods compared on a table of trained networks.

use std::process::ExitCode;

use nasprof_search::config::Experiment;
use nasprof_search::evolution;
use nasprof_search::methods::simulate::{Comparison, Line, Mean};

use super::{print, print_json};
use crate::cli::SimulateArgs;
use crate::failure::Failure;

pub(super) fn simulate(args: &SimulateArgs) -> Result<ExitCode, Failure> {
    let experiment = Experiment::read(&args.experiment, &args.set)?;
    if let Some(bad) = args.cost.iter().find(|cost| !(1.0..=1e6).contains(*cost)) {
        return Err(Failure::usage(format!("--cost {bad}: is not in 1 to 1000000"))
            .hint("a search costs at least one full training"));
    }
    let compared = evolution::simulate(experiment, &args.cost, args.seeds)?;
    if args.json {
        print_json(&compared)?
    } else {
        show(&compared)?
    }
    Ok(ExitCode::SUCCESS)
}

fn show(compared: &Comparison) -> Result<(), Failure> {
    let Comparison { networks, seeds, .. } = compared;
    print(format!("networks      {networks} within the budget"))?;
    let (mean, deviation) = (100.0 * compared.mean_test_accuracy, 100.0 * compared.deviation);
    print(format!("test accuracy {mean:.2} ± {deviation:.2} %, at most {:.2} %", 100.0 * compared.best_test_accuracy))?;
    print(format!("searches      {seeds} of each method at each cost; intervals are of the mean, 95 %"))?;
    print("")?;
    print(format!(
        "{:>5}  {:<21} {:>6}  {:>15}  {:>13}  {:>7}",
        "cost", "method", "spent", "test accuracy %", "regret", "better"
    ))?;
    compared.lines.iter().try_for_each(|line| print(row(line)))?;
    print("")?;
    print("cost and spent are full trainings; better is the share of searches better than random search at equal cost")
}

fn row(line: &Line) -> String {
    let points = |mean: &Mean| format!("{:.2} ± {:.2}", 100.0 * mean.mean, 100.0 * (mean.interval[1] - mean.mean));
    let (accuracy, regret) = (points(&line.test_accuracy), points(&line.regret));
    let better = format!("{:.1} %", 100.0 * line.better_than_random.mean);
    format!("{:>5}  {:<21} {:>6.1}  {accuracy:>15}  {regret:>13}  {better:>7}", line.cost, line.method, line.spent)
}
