//! `nasprof simulate`: search methods compared on a table of trained networks.

use std::process::ExitCode;

use nasprof_render::charts::{Guide, Point, Scatter, scatter_file};
use nasprof_render::replace_file;
use nasprof_search::config::Experiment;
use nasprof_search::evolution;
use nasprof_search::methods::simulate::{Comparison, Line, Mean};

use super::{as_picture, print, print_json, status};
use crate::cli::SimulateArgs;
use crate::failure::Failure;
use crate::outputs::Outputs;

pub(super) fn simulate(args: &SimulateArgs) -> Result<ExitCode, Failure> {
    let experiment = Experiment::read(&args.experiment, &args.set)?;
    if let Some(bad) = args.cost.iter().find(|cost| !(1.0..=1e6).contains(*cost)) {
        return Err(Failure::usage(format!("--cost {bad}: is not in 1 to 1000000"))
            .hint("a search costs at least one full training"));
    }
    if let Some(path) = &args.picture {
        Outputs::of([args.experiment.clone()]).check("--picture", path, &["svg", "png"])?;
    }
    let compared = evolution::simulate(experiment, &args.cost, args.seeds)?;
    if let Some(path) = &args.picture {
        replace_file(path, &as_picture(picture(&compared), path)?)?;
    }
    if args.json {
        print_json(&compared)?
    } else {
        show(&compared)?
    }
    Ok(ExitCode::SUCCESS)
}

/// Smallest regret on the logarithmic axis, in percentage points.
const LEAST: f64 = 1e-2;

/// Regret against cost, a line for each method, on logarithmic axes.
fn picture(compared: &Comparison) -> String {
    let mut groups: Vec<String> = Vec::new();
    for line in &compared.lines {
        if !groups.iter().any(|group| group == line.method) {
            groups.push(line.method.to_owned());
        }
    }
    let at = |line: &Line| (line.cost, (100.0 * line.regret.mean).max(LEAST));
    let of = |name: &str| compared.lines.iter().filter(|line| line.method == name).map(at).collect();
    let point = |line: &Line| {
        let (x, y) = at(line);
        let group = groups.iter().position(|group| group == line.method).unwrap_or(0);
        Point { x, y, group, title: format!("{} at {x}: {y:.2}", line.method) }
    };
    scatter_file(&Scatter {
        title: "Regret of search methods against their cost",
        x_name: "cost, full trainings",
        y_name: "regret, points of test accuracy",
        logarithmic: true,
        square: false,
        points: compared.lines.iter().map(point).collect(),
        guides: groups
            .iter()
            .map(|name| Guide { points: of(name), label: name.clone(), at_end: true, dashed: false })
            .collect(),
        groups,
    })
}

fn show(compared: &Comparison) -> Result<(), Failure> {
    let Comparison { networks, seeds, .. } = compared;
    print(format!("networks      {networks} within the budget"))?;
    if compared.failed_trainings > 0 {
        print(format!("left out      {} failed trainings", compared.failed_trainings))?;
    }
    let (mean, deviation) = (100.0 * compared.mean_test_accuracy, 100.0 * compared.deviation);
    print(format!("test accuracy {mean:.2} ± {deviation:.2} %, at most {:.2} %", 100.0 * compared.best_test_accuracy))?;
    print(format!("searches      {seeds} of each method at each cost; intervals are of the mean over seeds, 95 %"))?;
    print("")?;
    print(format!(
        "{:>5}  {:<21} {:>6}  {:>15}  {:>13}  {:>22}  {:>7}",
        "cost", "method", "spent", "test accuracy %", "regret", "better", "winners"
    ))?;
    compared.lines.iter().try_for_each(|line| print(row(line)))?;
    print("")?;
    print(
        "cost and spent are full trainings; better is the share of searches better than random search at equal cost",
    )?;
    print("all methods pick their winner by the same rule; winners counts different ones")?;
    print("intervals do not cover the choice of the table's networks: another table gives other figures")?;
    for line in compared.lines.iter().filter(|line| line.winners == 1) {
        status(format!(
            "warning: {} at cost {} found one network with all seeds: its figures depend on this network",
            line.method, line.cost
        ));
    }
    Ok(())
}

fn row(line: &Line) -> String {
    let points = |mean: &Mean| match line.winners {
        // One network for all seeds has no spread, and still no certainty.
        1 => format!("{:.2}", 100.0 * mean.mean),
        _ => format!("{:.2} ± {:.2}", 100.0 * mean.mean, 100.0 * (mean.interval[1] - mean.mean)),
    };
    let (accuracy, regret) = (points(&line.test_accuracy), points(&line.regret));
    let [low, high] = line.better_than_random.interval.map(|end| 100.0 * end);
    let better = format!("{:.1} % ({low:.1} to {high:.1})", 100.0 * line.better_than_random.mean);
    let (cost, method, spent, winners) = (line.cost, line.method, line.spent, line.winners);
    format!("{cost:>5}  {method:<21} {spent:>6.1}  {accuracy:>15}  {regret:>13}  {better:>22}  {winners:>7}")
}
