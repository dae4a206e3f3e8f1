//! The result of a search (`result.json`), with its caveats.

use Verdict::{Bad, Doubtful, Good, Unknown};
use nasprof_base::text::{bytes, ms, percent, rough, si, significant};
use serde_json::Value;

use super::run::SearchRun;
use crate::page::{Statement, Verdict};

/// A winner further from its target than this is worth a word.
const FAR: f64 = 0.05;

/// Results that are shown first.
pub(super) fn headline_figures(run: &SearchRun) -> Vec<(String, String)> {
    let number = |key: &str| run.number(key);
    let given = |value: f64| format!("{} ms", significant(value));
    let measured = number("measured.latency_ms").map(|value| match interval(run) {
        Some([low, high]) => format!("{} ({}–{})", ms(value), without_unit(low), without_unit(high)),
        None => ms(value),
    });
    let accuracy = number("accuracy").map(|share| match uncertainty(run, share) {
        Some(half) => format!("{:.1} % ± {}", 100.0 * share, rough(half)),
        None => percent(share),
    });
    let all = [
        (number("target_ms").map(given), "target latency"),
        (number("limit_ms").map(given), "latency limit"),
        (number("estimated_ms").map(ms), "estimated latency"),
        (measured, "measured on the device"),
        (accuracy, "accuracy"),
        (number("params").map(si), "parameters"),
        (number("macs").map(si), "MACs"),
        (number("seconds").map(duration), "of search"),
    ];
    let all = all.into_iter().filter_map(|(value, meaning)| Some((value?, meaning.to_owned())));
    all.chain(other_quantities(run)).collect()
}

/// Regularized quantities without a figure of their own, with their bounds.
fn other_quantities(run: &SearchRun) -> Vec<(String, String)> {
    let all = run.value("quantities").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let figure = |entry: &Value| {
        let name = entry.get("quantity")?.as_str()?;
        let shown = matches!(name, "params" | "macs") || (name == "latency" && run.number("estimated_ms").is_some());
        let value = entry.get("estimated")?.as_f64().filter(|_| !shown)?;
        let show = |value: f64| match name {
            "latency" => format!("{} ms", significant(value)),
            "memory" => bytes(value),
            _ => si(value),
        };
        let limit =
            entry.get("limit").and_then(Value::as_f64).map_or_else(String::new, |l| format!(", limit {}", show(l)));
        Some((show(value), format!("estimated {name}{limit}")))
    };
    all.iter().filter_map(figure).collect()
}

fn without_unit(value: f64) -> String {
    ms(value).trim_end_matches(" ms").to_owned()
}

fn interval(run: &SearchRun) -> Option<[f64; 2]> {
    let ends = run.value("measured.ci_ms")?.as_array()?;
    Some([ends.first()?.as_f64()?, ends.get(1)?.as_f64()?])
}

/// Half of the 95 % interval of a share that was counted on so many images: theirs is chance as well.
fn uncertainty(run: &SearchRun, share: f64) -> Option<f64> {
    let images: f64 = run.value("accuracy_of")?.as_str()?.split_whitespace().next()?.parse().ok()?;
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

/// What to know of the result before it is used.
pub(super) fn verdicts(run: &SearchRun) -> Vec<Statement> {
    let yes = |path: &str| run.value(path).and_then(Value::as_bool) == Some(true);
    let mut all = Vec::new();
    let nothing_limited = run.value("quantities").and_then(Value::as_array).is_some_and(Vec::is_empty);
    match run.value("feasible").and_then(Value::as_bool).filter(|_| !nothing_limited) {
        Some(true) => all.push(Statement::new(Good, "Within limits.", "Its estimates meet all hard limits.")),
        Some(false) => {
            let text = "No architecture meets all hard limits by the estimates.";
            all.push(Statement::new(Bad, "Over a limit.", text));
        }
        None => {}
    }
    if yes("repaired") {
        let text = "The most probable architecture exceeds a limit; this is the most probable one within the limits.";
        all.push(Statement::new(Doubtful, "Not the most probable.", text));
    }
    all.extend(on_the_device(run));
    all.extend(against_target(run));
    if run.value("earlier").is_some() {
        let factor = run.number("factor").map_or_else(String::new, |f| {
            format!(
                "with the LUT's latencies times {f:.3}, according to that \
                measurement"
            )
        });
        let text = format!("An earlier winner missed the target on the device, so this one was selected{factor}.");
        all.push(Statement::new(Doubtful, "Second choice.", text));
    }
    if yes("measured.allow_noisy") {
        let text = "It was measured with --allow-noisy, so the machine may have been busy.";
        all.push(Statement::new(Bad, "Busy machine.", text));
    }
    if let Some(of) = run.value("accuracy_of").and_then(Value::as_str) {
        let chance = if run.number("accuracy").is_some_and(|share| uncertainty(run, share).is_some()) {
            " The 95 % interval covers only the sampling of the images; another training seed differs by more."
        } else {
            ""
        };
        all.push(Statement::new(Unknown, "Accuracy.", format!("Of {of}.{chance}")));
    }
    all
}

fn on_the_device(run: &SearchRun) -> Option<Statement> {
    let estimated = run.number("estimated_ms")?;
    let Some(measured) = run.number("measured.latency_ms") else {
        let text = "The latency is an estimate; it was not measured on the device.";
        return Some(Statement::new(Unknown, "Not measured.", text));
    };
    let off = measured / estimated - 1.0;
    let level = run.number("measured.level").map_or_else(String::new, |level| {
        let left = measured / (estimated * level) - 1.0;
        format!(" The machine's level was {level:.3}; divided by it, the latency is {}.", compared(left))
    });
    let verdict = if off.abs() <= FAR { Good } else { Doubtful };
    Some(Statement::new(verdict, "On the device.", format!("It took {} than estimated.{level}", compared(off))))
}

/// Where the measured latency is against what was asked for.
fn against_target(run: &SearchRun) -> Option<Statement> {
    let measured = run.number("measured.latency_ms")?;
    if let Some(limit) = run.number("limit_ms").filter(|limit| measured > *limit) {
        let text = format!("On the device it takes {} than the limit allows.", compared(measured / limit - 1.0));
        return Some(Statement::new(Bad, "Over the limit.", text));
    }
    let off = measured / run.number("target_ms")? - 1.0;
    let verdict = if off.abs() <= FAR { Good } else { Doubtful };
    Some(Statement::new(verdict, "Target.", format!("On the device it takes {} than the target.", compared(off))))
}

fn compared(difference: f64) -> String {
    format!("{:.1} % {}", 100.0 * difference.abs(), if difference < 0.0 { "less" } else { "more" })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(result: Value) -> SearchRun {
        SearchRun { result: Some(result), ..SearchRun::default() }
    }

    #[test]
    fn an_accuracy_has_the_interval_of_its_images() {
        let figures = headline_figures(&run(json!({"accuracy": 0.25, "accuracy_of": "400 validation images"})));
        assert_eq!(figures, [("25.0 % ± 4.2 %".to_owned(), "accuracy".to_owned())]);
        let unknown = headline_figures(&run(json!({"accuracy": 0.25, "accuracy_of": "some images"})));
        assert_eq!(unknown[0].0, "25.00 %");
    }

    #[test]
    fn what_speaks_against_a_result_is_said() {
        let subjects =
            |result: Value| -> Vec<&'static str> { verdicts(&run(result)).iter().map(|s| s.subject).collect() };
        let measured = json!({"latency_ms": 1.2, "level": 1.0, "allow_noisy": true});
        let bad = json!({"feasible": false, "estimated_ms": 1.0, "limit_ms": 1.1, "measured": measured, "earlier": {}, "factor": 1.1});
        let expected = ["Over a limit.", "On the device.", "Over the limit.", "Second choice.", "Busy machine."];
        assert_eq!(subjects(bad), expected);
        let measured = json!({"latency_ms": 1.0, "level": 1.0, "allow_noisy": false});
        let good =
            json!({"feasible": true, "estimated_ms": 1.0, "target_ms": 1.0, "measured": measured, "earlier": null});
        assert_eq!(subjects(good), ["Within limits.", "On the device.", "Target."]);
        assert_eq!(
            subjects(json!({"feasible": true, "quantities": []})),
            [""; 0],
            "a training has no limits to keep to"
        );
        let less = &verdicts(&run(json!({"estimated_ms": 1.0, "measured": {"latency_ms": 0.97}})))[0].text;
        assert_eq!(less.replace('\u{a0}', " "), "It took 3.0 % less than estimated.");
    }
}
