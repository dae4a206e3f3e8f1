//! `nasprof search`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use nasprof_profiler::engine::Interrupted;
use nasprof_search::agreement::{Agreement, LEAST_NETWORKS};
use nasprof_search::config::{Experiment, Plan};
use nasprof_search::evolution::Sampling;
use nasprof_search::job::{Existing, FILES, Job, Task};
use nasprof_search::pipeline::{self, SampledSearch, Watch};

use super::search_program::{Program, again, start};
use super::search_result::{amount, print_result, show_measured, show_on_table};
use super::winner::{DeviceContext, lut_to_measure_with, within_limit};
use super::{kept_journal, print, print_json, status};
use crate::cli::{RunArgs, SearchArgs};
use crate::display::SearchView;
use crate::failure::Failure;
use crate::interruption::{Kept, interruption};
use crate::outputs::Outputs;
use crate::resolve;

pub(super) fn search(args: &SearchArgs) -> Result<ExitCode, Failure> {
    let run = &args.run;
    let experiment = Experiment::read(&run.experiment, &run.set)?;
    let name = run.experiment.display();
    match &experiment.searcher {
        None => Err(Failure::usage(format!("{name} has no table `searcher`")).hint("`nasprof train` runs trainings")),
        Some(_) if experiment.trains() => match &args.judge {
            Some(table) => judge(args, experiment, table),
            None => train_and_measure(args, experiment),
        },
        Some(_) if args.judge.is_some() => Err(Failure::usage("--judge: this search has no supernet")
            .hint("name an experiment whose searcher is darts, proxylessnas or fairnas")),
        Some(_) => search_without_training(args, experiment),
    }
}

/// A search without training needs no libtorch and takes seconds.
fn search_without_training(args: &SearchArgs, experiment: Experiment) -> Result<ExitCode, Failure> {
    let lut = lut_to_measure_with(args, &experiment)?;
    let search = SampledSearch { folder: folder(&args.run, &experiment)?, experiment, existing: existing(&args.run) };
    Plan::new(search.experiment.clone())?.warnings.iter().for_each(status);
    let mut watching = Watching { view: SearchView::new(), interrupted: interruption(Kept::Nothing)? };
    let mut context = lut.as_ref().map(|lut| DeviceContext::new(&search.experiment, lut, args));
    let found = pipeline::sampled(&search, &mut watching, context.as_mut().map(|context| context as _))?;
    watching.view.finish();
    if args.run.json {
        print_json(&found)?;
    } else {
        print(format!("run           {}", search.folder.display()))?;
        print(format!("{:<13} {} (score; {} architectures evaluated)", found.score, found.value, found.evaluated))?;
        for quantity in &found.quantities {
            let name = &quantity.quantity;
            let upper = quantity.upper.map(|upper| format!(" (at most {})", amount(name, upper)));
            print(format!("{name:<13} {}{}", amount(name, quantity.estimated), upper.unwrap_or_default()))?;
        }
        show_on_table(&found)?;
        show_measured(&found.latency)?;
        print(format!("front         {} architectures in pareto.csv", found.front))?;
    }
    within_limit(&found.latency)
}

/// Shows the progress of a search without training, until it is interrupted.
struct Watching {
    view: SearchView,
    interrupted: Interrupted,
}

impl Watch for Watching {
    fn sampling(&mut self, sampling: &Sampling) -> bool {
        self.view.sampling(sampling);
        !self.interrupted.load(Ordering::Relaxed)
    }

    fn selecting_again(&mut self, factor: f64) {
        self.view.finish();
        status(again(factor));
        self.view = SearchView::new();
    }
}

pub(super) fn existing(args: &RunArgs) -> Existing {
    kept_journal::existing(args.resume, args.overwrite)
}

/// The run folder. It is refused if the run would overwrite a file that it reads. Resuming a run with its own
/// `config.toml` is fine, because a resumed run does not write that file.
pub(super) fn folder(args: &RunArgs, experiment: &Experiment) -> Result<PathBuf, Failure> {
    let default = || PathBuf::from("runs").join(resolve::file_name(&args.experiment.to_string_lossy()));
    let folder = args.output.clone().unwrap_or_else(default);
    let luts = experiment.regularizers.iter().filter_map(|regularizer| regularizer.lut.clone());
    let data = experiment.data.iter().flat_map(|data| [&data.path, &data.train_list, &data.test_list]);
    let network = experiment.trainer.as_ref().and_then(|trainer| trainer.arch.as_deref()).map(PathBuf::from);
    let inputs = luts
        .chain(data.filter_map(Clone::clone))
        .chain(network)
        .chain([args.experiment.clone(), PathBuf::from(&experiment.space)]);
    let files: Vec<&str> = FILES.into_iter().filter(|name| !(args.resume && *name == "config.toml")).collect();
    Outputs::of(inputs).check_folder(&folder, &files)?;
    Ok(folder)
}

fn train_and_measure(args: &SearchArgs, experiment: Experiment) -> Result<ExitCode, Failure> {
    let lut = lut_to_measure_with(args, &experiment)?;
    let job =
        Job { task: Task::Run, folder: folder(&args.run, &experiment)?, experiment, existing: existing(&args.run) };
    let mut context = lut.as_ref().map(|lut| DeviceContext::new(&job.experiment, lut, args));
    let result = pipeline::trained(&job, &mut Program, context.as_mut().map(|context| context as _))?;
    if !result.feasible {
        status("warning: no architecture within the limits was found; the winner is the closest one");
    }
    print_result(&args.run, &job.folder, &result)?;
    within_limit(&result.latency)
}

/// The rank correlation between the supernet of a finished search and the networks' own trainings.
fn judge(args: &SearchArgs, experiment: Experiment, table: &Path) -> Result<ExitCode, Failure> {
    let (task, folder) = (Task::Judge { table: table.to_owned() }, folder(&args.run, &experiment)?);
    let job = Job { task, folder, experiment, existing: Existing::Resume };
    start(&job)?;
    let found = Agreement::read(&job.folder)?;
    if args.run.json {
        print_json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    print(format!("networks      {} of the table are within the limits", found.networks))?;
    print("              Kendall's tau with the test accuracies of their own trainings, 95 % interval")?;
    for (name, tau) in [("supernet", found.supernet), ("MACs", found.macs), ("parameters", found.params)] {
        let words = tau.map_or_else(
            || format!("none: fewer than {LEAST_NETWORKS} networks, or all alike"),
            |tau| format!("{:+.2} ({:+.2} to {:+.2})", tau.tau, tau.interval[0], tau.interval[1]),
        );
        print(format!("{name:<13} {words}"))?;
    }
    Ok(ExitCode::SUCCESS)
}
