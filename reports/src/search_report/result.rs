//! The result of a search (`result.json`), with its caveats.

use Verdict::{Bad, Doubtful, Good, Unknown};
use nasprof_base::text::{bytes, ms, percent, rough, si, significant};
use nasprof_search::job::{RunResult, Trained};
use nasprof_search::record::{Record, RecordedQuantity};
use nasprof_search::target::{Comparison, Goal, Grade};
use nasprof_search::winner::Latency;

use super::run::SearchRun;
use crate::page::{Statement, Verdict};

/// The report mentions a winner that is further than this from its estimate.
const FAR: f64 = 0.05;

/// Results that are shown first.
pub(super) fn headline_figures(run: &SearchRun) -> Vec<(String, String)> {
    let Some(result) = &run.result else { return Vec::new() };
    let latency = result.latency();
    let given = |value: f64| format!("{} ms", significant(value));
    let measured = latency.measured.as_ref().map(|measured| match measured.ci_ms {
        Some([low, high]) => format!("{} ({}–{})", ms(measured.latency_ms), without_unit(low), without_unit(high)),
        None => ms(measured.latency_ms),
    });
    let accuracy = run.trained().map(|trained| match uncertainty(trained) {
        Some(half) => format!("{:.1} % ± {}", 100.0 * trained.accuracy, rough(half)),
        None => percent(trained.accuracy),
    });
    let training = run.trained().and_then(|trained| trained.training.as_ref());
    let epoch = training.map(|training| format!("{}", training.epoch));
    let (params, macs, seconds) = result.counts();
    let all = [
        (latency.target_ms.map(given), "target latency"),
        (latency.limit_ms.map(given), "latency limit"),
        (latency.estimated_ms.map(ms), "estimated latency"),
        (measured, "measured on the device"),
        (accuracy, if training.is_some() { "accuracy on the test images" } else { "accuracy" }),
        (training.and_then(|training| training.valid_accuracy).map(percent), "accuracy on the validation images"),
        (epoch, "epoch whose weights were kept"),
        (Some(si(params as f64)), "parameters"),
        (Some(si(macs as f64)), "MACs"),
        (Some(duration(seconds)), if run.is_training() { "of training" } else { "of search" }),
    ];
    let all = all.into_iter().filter_map(|(value, meaning)| Some((value?, meaning.to_owned())));
    all.chain(other_quantities(result)).collect()
}

/// Regularized quantities without a figure of their own, with their bounds.
fn other_quantities(result: &Record) -> Vec<(String, String)> {
    let has_latency = result.latency().estimated_ms.is_some();
    let is_shown = |name: &str| matches!(name, "params" | "macs") || (name == "latency" && has_latency);
    let figure = |RecordedQuantity { name, limit, estimated }: RecordedQuantity<'_>| {
        let show = |value: f64| match name {
            "latency" => format!("{} ms", significant(value)),
            "memory" => bytes(value),
            _ => si(value),
        };
        let limit = limit.map_or_else(String::new, |l| format!(", limit {}", show(l)));
        (show(estimated), format!("estimated {name}{limit}"))
    };
    result.quantities().into_iter().filter(|q| !is_shown(q.name)).map(figure).collect()
}

fn without_unit(value: f64) -> String {
    ms(value).trim_end_matches(" ms").to_owned()
}

/// Half of the 95 % interval of an accuracy, from the number of images: which images were drawn is chance as well.
fn uncertainty(result: &RunResult) -> Option<f64> {
    let (share, images) = (result.accuracy, result.images()? as f64);
    (images >= 1.0 && (0.0..=1.0).contains(&share)).then(|| 1.96 * (share * (1.0 - share) / images).sqrt())
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => "< 1 s".to_owned(),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// Statements on how far to trust the result.
pub(super) fn verdicts(run: &SearchRun) -> Vec<Statement> {
    let Some(result) = &run.result else { return Vec::new() };
    let latency = result.latency();
    let mut all = Vec::new();
    if let Some(trained) = run.trained().filter(|trained| !trained.quantities.is_empty()) {
        all.push(match trained.feasible {
            true => Statement::new(Good, "Within limits.", "Its estimates are within all hard limits."),
            false => {
                Statement::new(Bad, "Over a limit.", "By the estimates, no architecture is within all hard limits.")
            }
        });
    }
    if run.trained().is_some_and(|trained| trained.repaired) {
        let text =
            "The most probable architecture was over a limit; this is the nearest architecture within the limits.";
        all.push(Statement::new(Doubtful, "Not the most probable.", text));
    }
    all.extend(on_the_device(latency));
    all.extend(latency.comparison().map(against_goal));
    if latency.selections.len() > 1 {
        let text = format!(
            "{} networks were measured, because the first missed the target on the device. This one was selected with the \
             LUT's latencies times {:.3}.",
            latency.selections.len(),
            latency.factor
        );
        all.push(Statement::new(Doubtful, "Selected again.", text));
    }
    if latency.measured.as_ref().is_some_and(|measured| measured.allow_noisy) {
        let text = "It was measured with --allow-noisy, so the machine may have been busy.";
        all.push(Statement::new(Bad, "Busy machine.", text));
    }
    if let Some(trained) = run.trained() {
        all.extend(about_accuracy(trained));
    }
    all
}

fn about_accuracy(result: &RunResult) -> Vec<Statement> {
    let chance = match uncertainty(result) {
        Some(_) => {
            " The 95 % interval covers only the choice of images; training with another seed changes the accuracy more."
        }
        None => "",
    };
    let mut all = vec![Statement::new(Unknown, "Accuracy.", format!("Of {}.{chance}", result.accuracy_of))];
    if let Some(Trained { epoch, train_images, valid_images, .. }) = &result.training {
        let text = match valid_images {
            0 => format!("The weights are those of the last epoch, {epoch}; no epoch was selected."),
            _ => format!(
                "The weights are those of epoch {epoch}, the best on {valid_images} images outside the {train_images} \
                 training images."
            ),
        };
        all.push(Statement::new(Good, "Chosen without the test images.", text));
    }
    if let Some(epochs) = &result.epochs {
        all.push(Statement::new(Unknown, "Length.", format!("{}.", epochs.in_words())));
        if !epochs.extended_from.is_empty() {
            let from = epochs.extended_from.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let text = format!(
                "The run was finished with {from} epochs and then extended, so its learning rates differ from \
                 those of one run."
            );
            all.push(Statement::new(Doubtful, "Extended.", text));
        }
    }
    if let Some(spent) = &result.spent {
        all.push(Statement::new(Unknown, "Cost.", format!("{}.", spent.in_words(result.seconds))));
    }
    all
}

fn on_the_device(latency: &Latency) -> Option<Statement> {
    let estimated = latency.estimated_ms?;
    let Some(measured) = &latency.measured else {
        let text = "The latency is an estimate; it was not measured on the device.";
        return Some(Statement::new(Unknown, "Not measured.", text));
    };
    let off = measured.latency_ms / estimated - 1.0;
    let level = measured.level.map_or_else(String::new, |level| {
        let left = measured.latency_ms / (estimated * level) - 1.0;
        format!(
            " The machine's level was {level:.3} times the LUT's; after dividing by the level, it took {} \
             than estimated.",
            compared(left)
        )
    });
    let verdict = if off.abs() <= FAR { Good } else { Doubtful };
    Some(Statement::new(verdict, "On the device.", format!("It took {} than estimated.{level}", compared(off))))
}

/// The measured latency relative to the goal.
fn against_goal(comparison: Comparison) -> Statement {
    let verdict = match comparison.grade {
        Grade::Good => Good,
        Grade::Doubtful => Doubtful,
        Grade::Bad => Bad,
    };
    let subject = match (comparison.goal, comparison.grade) {
        (Goal::Target, _) => "Target.",
        (Goal::Limit, Grade::Bad) => "Over the limit.",
        (Goal::Limit, _) => "Limit.",
    };
    Statement::new(verdict, subject, format!("Measured on the device, its latency is {comparison}."))
}

fn compared(difference: f64) -> String {
    format!("{:.1} % {}", 100.0 * difference.abs(), if difference < 0.0 { "less" } else { "more" })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use serde_json::{Value, json};

    use super::*;

    /// A run whose result has these keys in addition to those of a plain run.
    fn run(keys: Value) -> SearchRun {
        let mut result = json!({
            "format_version": 1, "arch": null, "feasible": true, "repaired": false, "accuracy": 0.25,
            "accuracy_of": "400 validation images", "quantities": [], "params": 1, "macs": 1, "seconds": 1.0, "seed": 0,
        });
        keys.as_object().unwrap().iter().for_each(|(key, value)| result[key] = value.clone());
        SearchRun { result: Some(Record::parse(&result.to_string()).unwrap()), ..SearchRun::default() }
    }

    fn measured(ms: f64) -> Value {
        json!({"latency_ms": ms, "ci_ms": null, "level": 1.0, "device": "fake", "allow_noisy": false})
    }

    fn subjects(keys: Value) -> Vec<&'static str> {
        verdicts(&run(keys)).iter().map(|s| s.subject).collect()
    }

    #[test]
    fn an_accuracy_has_the_interval_of_its_images() {
        let figure = |keys: Value| headline_figures(&run(keys))[0].clone();
        assert_eq!(figure(json!({})), ("25.0 % ± 4.2 %".to_owned(), "accuracy".to_owned()));
        assert_eq!(figure(json!({"accuracy_of": "some images"})).0, "25.00 %");
        assert_eq!(figure(json!({"accuracy_of": "some images", "accuracy_images": 400})).0, "25.0 % ± 4.2 %");
    }

    #[test]
    fn what_speaks_against_a_result_is_said() {
        let quantities = json!([{"quantity": "latency", "kind": "constraint", "limit": 1.1, "estimated": 1.0}]);
        let noisy = json!({"latency_ms": 1.2, "ci_ms": null, "level": 1.0, "device": "fake", "allow_noisy": true});
        let bad = json!({"feasible": false, "estimated_ms": 1.0, "limit_ms": 1.1, "measured": noisy, "quantities": quantities});
        let expected = ["Over a limit.", "On the device.", "Over the limit.", "Busy machine.", "Accuracy."];
        assert_eq!(subjects(bad), expected);
        let good = json!({"estimated_ms": 1.0, "target_ms": 1.0, "measured": measured(1.0), "quantities": quantities});
        assert_eq!(subjects(good), ["Within limits.", "On the device.", "Target.", "Accuracy."]);
        assert_eq!(subjects(json!({})), ["Accuracy."], "a training has no limits to keep to");
        let less = &verdicts(&run(json!({"estimated_ms": 1.0, "measured": measured(0.97)})))[0].text;
        assert!(less.replace('\u{a0}', " ").starts_with("It took 3.0 % less than estimated."), "{less}");
    }

    /// A miss has no green tick.
    #[test]
    fn a_target_is_graded_by_nearness_and_side() {
        for (ms, verdict, words) in [
            (0.995, Good, "0.50 % below target"),
            (0.9787, Doubtful, "2.13 % below target"),
            (1.005, Doubtful, "0.50 % above target"),
            (1.0213, Bad, "2.13 % above target"),
        ] {
            let all = verdicts(&run(json!({"target_ms": 1.0, "measured": measured(ms)})));
            assert_eq!(all[0].verdict, verdict, "{words}");
            let text = all[0].text.replace('\u{a0}', " ");
            assert_eq!(text, format!("Measured on the device, its latency is {words}."));
        }
    }

    #[test]
    fn a_training_says_what_chose_its_epoch() {
        let training = json!({"epoch": 3, "train_images": 900, "valid_images": 100, "valid_accuracy": 0.5});
        let epochs = json!({"all": 5, "warm_up": 0, "after_warm_up": 5, "extended_from": [2]});
        let run = run(json!({"training": training, "epochs": epochs}));
        let said: Vec<&str> = verdicts(&run).iter().map(|s| s.subject).collect();
        assert_eq!(said, ["Accuracy.", "Chosen without the test images.", "Length.", "Extended."]);
        let figures = headline_figures(&run);
        assert!(figures.iter().any(|(value, name)| value == "50.00 %" && name == "accuracy on the validation images"));
        assert!(figures.iter().any(|(_, name)| name == "of training"), "{figures:?}");
        let page = crate::search_report(&run, "winner", None);
        assert!(page.contains("<title>Training winner"), "{}", &page[..400]);
        assert!(crate::search_report(&SearchRun::default(), "winner", None).contains("<title>Search winner"));
    }

    /// Half a training more does not let random search train another network.
    #[test]
    fn a_search_of_single_networks_says_what_it_cost() {
        let said = |spent: Value| {
            let all = verdicts(&run(json!({"spent": spent, "seconds": 34.6})));
            all.iter().find(|s| s.subject == "Cost.").map(|s| s.text.replace('\u{a0}', " "))
        };
        let words = "22 epochs, or 7.3 full trainings, in 35 s; random search trains 7 networks at this cost.";
        assert_eq!(said(json!({"epochs": 22, "trainings": 22.0 / 3.0})).as_deref(), Some(words));
        assert_eq!(said(json!(null)), None, "the control: of another search");
    }

    /// Results of earlier versions, as they were published.
    #[test]
    fn earlier_results_are_read_and_written_again() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let folders = ["benchmarks/results", "reports/runs"].map(|folder| root.join(folder));
        let mut results = Vec::new();
        folders.iter().filter(|folder| folder.is_dir()).for_each(|folder| collect(folder, &mut results));
        assert!(results.len() >= 12, "{results:?}");
        for path in results {
            let text = fs::read_to_string(&path).unwrap();
            let record = Record::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            // The key `settled` of earlier results is called `final` now.
            let before: Value = serde_json::from_str(&text.replace("\"settled\"", "\"final\"")).unwrap();
            assert!(contains(&serde_json::to_value(&record).unwrap(), &before), "{}: {record:?}", path.display());
        }
    }

    /// Results of searches with budgets, below a folder.
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                collect(&path, found);
            } else if name.starts_with("quick-") && name.ends_with(".json") {
                found.push(path);
            }
        }
    }

    /// Whether a value contains another; later versions add keys.
    fn contains(value: &Value, part: &Value) -> bool {
        match (value, part) {
            (Value::Object(all), Value::Object(some)) => {
                some.iter().all(|(key, part)| all.get(key).is_some_and(|value| contains(value, part)))
            }
            (Value::Array(all), Value::Array(some)) => {
                all.len() == some.len() && all.iter().zip(some).all(|(value, part)| contains(value, part))
            }
            _ => value == part,
        }
    }
}
