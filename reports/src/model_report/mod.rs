//! The report of a measured model: where a run's time goes, kernel by kernel. It predicts no other network.

mod comparison;
mod kernels;

use maud::html;
use nasprof_base::text::{bytes, count, ms, rough};
use nasprof_profiler::model_profile::{ModelProfile, ProfiledKernel};

pub use self::comparison::model_comparison;
use crate::page::{Part, Section, Statement, Verdict, add, bars, facts, headline, page, statements};

/// Kernels whose sum is within this of a plain run count as the whole run.
const CLOSE: f64 = 0.03;
/// The report mentions a median interval that is wider than this.
const WIDE: f64 = 0.1;

/// A profile as one HTML file. `name` is the reader's name for it, such as its file name.
#[must_use]
pub fn model_report(profile: &ModelProfile, name: &str) -> String {
    let time = html! {
        (headline(figures(profile)))
        (statements(&trust(profile)))
        h3 { "By operator" }
        (bars(&by(profile, |kernel| &kernel.operator), "kernel"))
        @let providers = by(profile, |kernel| &kernel.provider);
        @if providers.len() > 1 {
            h3 { "By execution provider" }
            (bars(&providers, "kernel"))
        }
    };
    let sections = [
        Section::new("time", "Where does the time go?", time),
        Section::new("kernels", "All kernels", kernels::kernels(profile)),
        Section::new("context", "Context", facts(context(profile))),
    ];
    page(&format!("Profile {name}"), &subject(profile), &sections)
}

/// The subject of the measurement, in one line.
fn subject(profile: &ModelProfile) -> String {
    let subject = &profile.subject;
    let fact = |name: &str| profile.facts.get(name).map_or("", String::as_str);
    let by = match (profile.facts.get("runtime"), profile.facts.get("profile_format")) {
        (Some(runtime), _) => format!("{runtime} {}, {}", fact("runtime_version"), fact("provider")),
        (None, Some(format)) => format!("imported from a profile of {format}"),
        (None, None) => fact("command").to_owned(),
    };
    if subject.model.is_empty() {
        return by;
    }
    let threads = subject.threads.map_or_else(String::new, |threads| format!(", {}", count(threads, "thread")));
    format!("{} on {} ({}){threads}: {by}", subject.model, subject.device, subject.backend)
}

fn figures(profile: &ModelProfile) -> Vec<(String, String)> {
    let sum = profile.sum_ms();
    let mut all = match profile.whole {
        Some(whole) => {
            let interval = whole
                .interval_ms
                .map_or_else(String::new, |[low, high]| format!(", 95 % interval {} to {}", ms(low), ms(high)));
            vec![(ms(whole.ms), format!("one run{interval}"))]
        }
        None => Vec::new(),
    };
    all.push((ms(sum), format!("all {} together", count(profile.kernels.len(), "kernel"))));
    all.extend(profile.session_ms.map(|time| (ms(time), "to create a session".to_owned())));
    all.extend(profile.first_ms.map(|time| (ms(time), "the first run".to_owned())));
    all.extend(profile.peak_bytes.map(|peak| (bytes(peak as f64), "peak memory of the model".to_owned())));
    all
}

/// One statement for each thing that can be wrong.
fn trust(profile: &ModelProfile) -> Vec<Statement> {
    let mut all = vec![match profile.sum_error {
        Some(error) => {
            let verdict = if error.abs() <= CLOSE { Verdict::Good } else { Verdict::Doubtful };
            let (timed, whole) = (ms(profile.timed_sum_ms), ms(profile.whole.map_or(f64::NAN, |whole| whole.ms)));
            let text = format!(
                "The timed kernels took {timed}, a plain run {whole}. The timing overhead of {:.1} us was \
                 subtracted from each kernel; a difference of {:+.1} % remains.",
                profile.timer_ns / 1e3,
                100.0 * error
            );
            Statement::new(verdict, "Sum against whole.", text)
        }
        None => Statement::new(
            Verdict::Unknown,
            "Sum against whole.",
            "No plain run was timed, so the kernels' times include the timing overhead.",
        ),
    }];
    let mut widths: Vec<f64> = profile.kernels.iter().filter_map(|part| part.time.half_width()).collect();
    widths.sort_by(f64::total_cmp);
    all.push(match widths.get(widths.len() / 2) {
        Some(&middle) => {
            let verdict = if middle <= WIDE { Verdict::Good } else { Verdict::Doubtful };
            let from = if profile.sessions == 0 { "sessions".to_owned() } else { count(profile.sessions, "session") };
            let text = format!(
                "Half of the kernels are known to ± {} or better, from the differences between {from}.",
                rough(middle)
            );
            Statement::new(verdict, "Intervals.", text)
        }
        None => Statement::new(Verdict::Unknown, "Intervals.", "A single measurement gives no intervals."),
    });
    if !profile.failed.is_empty() {
        let text = format!("{}: {}.", count(profile.failed.len(), "kernel"), profile.failed.join(", "));
        all.push(Statement::new(Verdict::Bad, "Not measured.", text));
    }
    let suspicious = profile.kernels.iter().filter(|part| part.suspicious).count();
    if suspicious > 0 {
        let text = format!("{} cannot be right or are copies, according to the import.", count(suspicious, "time"));
        all.push(Statement::new(Verdict::Bad, "Implausible.", text));
    }
    all
}

/// Sums of times by a property of the kernels, the largest first.
fn by(profile: &ModelProfile, of: fn(&ProfiledKernel) -> &String) -> Vec<Part> {
    let mut parts = Vec::new();
    profile.kernels.iter().for_each(|part| add(&mut parts, of(&part.kernel), part.time.ms));
    parts.sort_by(|a: &Part, b| b.ms.total_cmp(&a.ms));
    parts
}

fn context(profile: &ModelProfile) -> Vec<(&str, String)> {
    let subject = &profile.subject;
    let known = [("model", &subject.model), ("device", &subject.device), ("back end", &subject.backend)];
    let mut all: Vec<(&str, String)> =
        known.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, value.clone())).collect();
    all.extend(subject.threads.map(|threads| ("threads", threads.to_string())));
    if profile.sessions > 0 {
        all.push(("sessions", profile.sessions.to_string()));
    }
    if !profile.inputs.is_empty() {
        all.push(("inputs", profile.inputs.join("; ")));
    }
    all.extend(profile.facts.iter().map(|(name, value)| (name.as_str(), value.clone())));
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use nasprof_profiler::model_profile::{ModelProfile, ProfiledKernel, ProfiledSession};

    use super::{model_comparison, model_report};

    /// A profile of kernels (name, operator, provider, milliseconds) with a plain run of `whole` milliseconds.
    fn profile(kernels: &[(&str, &str, &str, f64)], whole: Option<f64>) -> ModelProfile {
        let session = |factor: f64| ProfiledSession {
            kernels: kernels.iter().map(|kernel| kernel.3 * 1e6 * factor).collect(),
            whole: whole.map(|ms| ms * 1e6 * factor),
        };
        let sessions = [session(0.99), session(1.0), session(1.01)];
        let kernel = |&(name, operator, provider, _): &(&str, &str, &str, f64)| ProfiledKernel {
            name: name.to_owned(),
            operator: operator.to_owned(),
            provider: provider.to_owned(),
            inputs: vec!["float 1x3".to_owned()],
            outputs: Vec::new(),
            parameter_bytes: None,
        };
        ModelProfile::of(kernels.iter().map(kernel).collect(), BTreeMap::new(), Vec::new(), &sessions)
    }

    fn statement<'a>(page: &'a str, subject: &str) -> &'a str {
        let before = page.split(subject).next().unwrap();
        before.rsplit("<li class=\"").next().unwrap().split('"').next().unwrap()
    }

    #[test]
    fn a_page_says_where_the_time_goes_and_whether_it_adds_up() {
        let kernels = [("a<b>", "Conv", "CPU", 3.0), ("c", "Conv", "CPU", 1.0), ("d", "Gemm", "CPU", 4.0)];
        let page = model_report(&profile(&kernels, Some(8.0)), "net.json");
        assert!(page.contains("a&lt;b&gt;") && !page.contains("a<b>"));
        // Two kernels of one operator are one part.
        assert!(page.contains("4.000 ms · 50.00 %"), "{page}");
        assert_eq!(statement(&page, "Sum against whole."), "good");
        assert!(!page.contains("By execution provider"));
        // The controls: kernels that are only part of the run, no run, and two providers.
        assert_eq!(statement(&model_report(&profile(&kernels, Some(9.0)), "x"), "Sum against whole."), "doubtful");
        assert_eq!(statement(&model_report(&profile(&kernels, None), "x"), "Sum against whole."), "unknown");
        let two = [("a", "Conv", "CPU", 3.0), ("b", "Conv", "CUDA", 1.0)];
        assert!(model_report(&profile(&two, None), "x").contains("By execution provider"));
    }

    #[test]
    fn a_comparison_begins_with_what_changed_most() {
        let before =
            profile(&[("a", "Conv", "CPU", 1.0), ("b", "Conv", "CPU", 5.0), ("old", "Gemm", "CPU", 9.0)], Some(15.0));
        let after =
            profile(&[("a", "Conv", "CPU", 3.0), ("b", "Conv", "CPU", 5.5), ("new", "Relu", "CPU", 7.0)], Some(30.0));
        let page = model_comparison(&[("then.json".to_owned(), before), ("now.json".to_owned(), after)]);
        let table = page.split("id=\"kernel-table\"").nth(1).unwrap().split("</table>").next().unwrap();
        let place = |name: &str| table.find(&format!("{name} <small>")).unwrap_or_else(|| panic!("no {name}"));
        // Kernels of only one profile come last, the slowest of them first.
        assert!(place("a") < place("b") && place("b") < place("old") && place("old") < place("new"), "{table}");
        assert!(table.contains("only now.json") && table.contains("not now.json"));
        assert!(page.contains("× 2.000 (") && page.contains("× 3.000 ("), "{page}");
        // Operators are compared even if kernels cannot be.
        let operators = page.split("id=\"operator-table\"").nth(1).unwrap().split("</table>").next().unwrap();
        assert!(operators.contains("Relu") && operators.contains("9.000 ms") && operators.contains("2 kernels"));
    }
}
