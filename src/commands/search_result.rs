//! The result of a search or a training as text.

use std::path::Path;
use std::process::ExitCode;

use nasprof_base::text::{bytes, ms, percent};
use nasprof_search::config::Quantity;
use nasprof_search::evolution::SampledResult;
use nasprof_search::job::{RunResult, Trained};
use nasprof_search::target::Grade;
use nasprof_search::winner::Latency;

use super::{print, print_json};
use crate::cli::RunArgs;
use crate::failure::Failure;

pub(super) fn print_result(args: &RunArgs, folder: &Path, result: &RunResult) -> Result<ExitCode, Failure> {
    if args.json {
        print_json(result)?
    } else {
        show(folder, result)?
    }
    Ok(ExitCode::SUCCESS)
}

/// For a search on a table: its cost, and the result of random search at that cost.
pub(super) fn show_on_table(found: &SampledResult) -> Result<(), Failure> {
    let Some(on) = &found.on_table else { return Ok(()) };
    print(format!(
        "test accuracy {} (best within the budget {})",
        percent(on.test_accuracy),
        percent(on.best_test_accuracy)
    ))?;
    if on.failed_trainings > 0 {
        print(format!("left out      {} failed trainings of the table", on.failed_trainings))?;
    }
    let epochs = on.epochs.map_or_else(String::new, |epochs| format!(" of {epochs} epochs"));
    print(format!("cost          {:.1} trainings{epochs}, according to the table", on.trainings))?;
    print(format!("random        {} at {:.1} trainings", percent(on.random.test_accuracy), on.random.trainings))
}

fn show(folder: &Path, result: &RunResult) -> Result<(), Failure> {
    print(format!("run           {}", folder.display()))?;
    if let Some(epochs) = &result.epochs {
        print(format!("epochs        {}", epochs.in_words()))?;
    }
    if let Some(place) = &result.computed_on {
        print(format!("computed on   {place}"))?;
    }
    print(format!("accuracy      {} of {}", percent(result.accuracy), result.accuracy_of))?;
    if let Some(Trained { epoch, valid_images, valid_accuracy, .. }) = &result.training {
        let chosen = match valid_accuracy {
            Some(accuracy) => {
                format!("epoch {epoch}, the best on {valid_images} validation images: {}", percent(*accuracy))
            }
            None => format!("epoch {epoch}, the last one, because there are no validation images"),
        };
        print(format!("chosen        {chosen}"))?;
    }
    if let Some(spent) = &result.spent {
        print(format!("cost          {}", spent.in_words(result.seconds)))?;
    }
    print(format!("parameters    {}", result.params))?;
    print(format!("MACs          {}", result.macs))?;
    for quantity in &result.quantities {
        let name = &quantity.quantity;
        let limit = quantity.limit.map(|limit| format!(" ({}: {})", quantity.kind, amount(name, limit)));
        print(format!("{name:<13} {}{}", amount(name, quantity.estimated), limit.unwrap_or_default()))?;
    }
    show_measured(&result.latency)
}

/// An amount, rounded for display; `result.json` has all digits.
pub(super) fn amount(quantity: &str, value: f64) -> String {
    if quantity == Quantity::Latency.name() {
        ms(value)
    } else if quantity == Quantity::Memory.name() {
        bytes(value)
    } else {
        value.to_string()
    }
}

pub(super) fn show_measured(latency: &Latency) -> Result<(), Failure> {
    let Some(measured) = &latency.measured else { return Ok(()) };
    let against = latency.comparison().map_or_else(String::new, |comparison| {
        let sign = match comparison.grade {
            Grade::Good => "✓",
            Grade::Doubtful => "!",
            Grade::Bad => "✗",
        };
        let noise = if latency.is_inconclusive(measured) { ", which its interval includes" } else { "" };
        format!(", {sign} {comparison}{noise}")
    });
    let interval = measured
        .ci_ms
        .map_or_else(String::new, |[low, high]| format!(" ({} to {})", ms(low).trim_end_matches(" ms"), ms(high)));
    let timing = measured.timing.map_or_else(String::new, |timing| format!(", timing {}", timing.name()));
    print(format!("measured      {}{interval} on {}{timing}{against}", ms(measured.latency_ms), measured.device))?;
    if let Some(level) = measured.level {
        print(format!("level then    {level:.4} of the LUT, from its anchors"))?;
    }
    for other in latency.side_by_side.iter().filter(|s| s.measured != *measured) {
        print(format!("side by side  {}, estimated {}", ms(other.measured.latency_ms), ms(other.estimated_ms)))?;
    }
    for earlier in latency.selections.iter().filter(|s| s.measured != *measured) {
        print(format!("earlier       {}, estimated {}", ms(earlier.measured.latency_ms), ms(earlier.estimated_ms)))?;
    }
    Ok(())
}
