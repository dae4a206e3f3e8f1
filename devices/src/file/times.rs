//! Parses the latencies that a program reports.

use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

/// Maximum time of a run in nanoseconds: eleven days.
const MAX_NS: f64 = 1e15;
/// Maximum number of runs.
const MAX_RUNS: usize = 10_000_000;

/// Unit of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Seconds.
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds.
    Ns,
}

impl Unit {
    fn nanoseconds(self) -> f64 {
        match self {
            Self::S => 1e9,
            Self::Ms => 1e6,
            Self::Us => 1e3,
            Self::Ns => 1.0,
        }
    }
}

/// The format in which a program reports latencies.
#[derive(Debug, Clone)]
pub enum TimesFormat {
    /// `trtexec --exportTimes`: the GPU time of each run, without copies of inputs and outputs.
    Trtexec,
    /// The result file of `onnxruntime_perf_test`: each run.
    OnnxRuntime,
    /// The output of TensorFlow Lite's `benchmark_model`: the average.
    TfliteCsv,
    /// The group of each match is a latency in the given unit.
    Pattern(Regex, Unit),
}

impl TimesFormat {
    /// A format by its name, or a regular expression with one group around a number.
    ///
    /// # Errors
    /// If it is neither, the unit of a regular expression is missing, or a named format has one.
    pub fn parse(text: &str, unit: Option<Unit>) -> Result<Self, String> {
        let named = match text {
            "trtexec" => Self::Trtexec,
            "onnxruntime" => Self::OnnxRuntime,
            "tflite-csv" => Self::TfliteCsv,
            _ => return Self::pattern(text, unit),
        };
        match unit {
            None => Ok(named),
            Some(_) => {
                Err(format!("command.times_unit applies only to regular expressions; `{text}` has its own unit"))
            }
        }
    }

    fn pattern(text: &str, unit: Option<Unit>) -> Result<Self, String> {
        let wrong = |problem: &str| format!("command.times_format `{text}`: {problem}");
        let pattern = Regex::new(text).map_err(|e| wrong(&e.to_string().replace('\n', " ")))?;
        if pattern.captures_len() != 2 {
            return Err(wrong(if pattern.captures_len() == 1 {
                "must be trtexec, onnxruntime, tflite-csv, or a regular expression with a group ( ) around the number"
            } else {
                "has several groups; write the others as (?: )"
            }));
        }
        let unit = unit.ok_or("command.times_unit is missing: s, ms, us or ns")?;
        Ok(Self::Pattern(pattern, unit))
    }

    /// Nanoseconds of each run in a text, in order; one average if the text has only that.
    ///
    /// # Errors
    /// If the text has no run, or an implausible one.
    pub fn read(&self, text: &str) -> Result<Vec<f64>, String> {
        let runs = match self {
            Self::Trtexec => trtexec(text)?,
            Self::OnnxRuntime => onnxruntime(text)?,
            Self::TfliteCsv => tflite(text)?,
            Self::Pattern(pattern, unit) => {
                let value = |found: &str| number(found).map(|value| value * unit.nanoseconds());
                let groups = pattern.captures_iter(text).take(MAX_RUNS + 1).filter_map(|found| found.get(1));
                groups.map(|group| value(group.as_str())).collect::<Result<Vec<f64>, String>>()?
            }
        };
        if runs.is_empty() {
            return Err("contains no run".to_owned());
        }
        if runs.len() > MAX_RUNS {
            return Err(format!("contains more than {MAX_RUNS} runs"));
        }
        match runs.iter().find(|&&ns| !(ns > 0.0 && ns <= MAX_NS)) {
            Some(ns) => Err(format!("contains an implausible run of {} ms", ns / 1e6)),
            None => Ok(runs),
        }
    }
}

fn number(text: &str) -> Result<f64, String> {
    let text = text.trim();
    text.parse().map_err(|_| format!("has `{}`, which is not a number", text.escape_debug()))
}

fn trtexec(text: &str) -> Result<Vec<f64>, String> {
    let runs: Vec<Value> = serde_json::from_str(text).map_err(|e| format!("is not an export of trtexec: {e}"))?;
    let of = |(i, run): (usize, &Value)| {
        let value = |key: &str| run.get(key).and_then(Value::as_f64);
        let compute =
            value("computeMs").ok_or_else(|| format!("is not an export of trtexec: run {i} has no computeMs"))?;
        // A part cannot take longer than the whole, except for rounding.
        match value("latencyMs") {
            Some(latency) if compute > latency + 1e-3 => {
                Err(format!("run {i} computes for {compute} ms, but takes {latency} ms"))
            }
            _ => Ok(compute * 1e6),
        }
    };
    runs.iter().enumerate().map(of).collect()
}

/// Lines `model,seconds,bytes,percent,run`.
fn onnxruntime(text: &str) -> Result<Vec<f64>, String> {
    let mut runs = Vec::new();
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        // Statistics may follow, such as `P50 Latency: 0.002 s`.
        if line.contains(':') && !line.contains(',') {
            continue;
        }
        let wrong = || format!("is not a result of onnxruntime_perf_test: line {}", i + 1);
        let mut cells = line.rsplit(',').map(str::trim);
        let run: usize = cells.next().and_then(|cell| cell.parse().ok()).ok_or_else(wrong)?;
        let seconds = cells.nth(2).ok_or_else(wrong)?;
        if run != runs.len() || cells.next().is_none() {
            return Err(wrong());
        }
        runs.push(number(seconds)? * 1e9);
    }
    Ok(runs)
}

/// `Inference timings in us: Init: 5021, First inference: 1012, Warmup (avg): 1001, Inference (avg): 998.4`.
fn tflite(text: &str) -> Result<Vec<f64>, String> {
    let marked =
        text.lines().filter_map(|line| line.split_once("Inference timings in us:")?.1.split_once("Inference (avg):"));
    let found: Vec<&str> = marked.map(|(_, average)| average).collect();
    match &found[..] {
        [average] => Ok(vec![number(average)? * 1e3]),
        [] => Err("does not contain `Inference (avg):`, which benchmark_model prints last".to_owned()),
        _ => Err("has `Inference (avg):` several times".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: &str, unit: Option<Unit>, text: &str) -> Result<Vec<f64>, String> {
        TimesFormat::parse(format, unit).unwrap().read(text)
    }

    #[test]
    fn each_programs_words_are_understood() {
        let times = r#"[{"startEnqMs": 1, "computeMs": 0.5, "latencyMs": 0.7}, {"computeMs": 0.25}]"#;
        assert_eq!(read("trtexec", None, times).unwrap(), [0.5e6, 0.25e6]);
        let result = "m.onnx,0.002,123,45,0\nm.onnx,0.004,123,45,1\nP50 Latency: 0.002 s\n";
        assert_eq!(read("onnxruntime", None, result).unwrap(), [2e6, 4e6]);
        let words = "INFO: count=50 avg=7\nINFO: Inference timings in us: Init: 5, First inference: 6, Warmup (avg): 7.5, \
                     Inference (avg): 1.25e+03\n";
        assert_eq!(read("tflite-csv", None, words).unwrap(), [1.25e6]);
        let pattern = r"latency: (\S+) ms";
        assert_eq!(read(pattern, Some(Unit::Ms), "latency: 1.5 ms\nlatency: 2 ms").unwrap(), [1.5e6, 2e6]);
        assert_eq!(read(pattern, Some(Unit::Us), "latency: 1.5 ms").unwrap(), [1.5e3]);
    }

    /// Each is the good text of the test above with one fault.
    #[test]
    fn what_cannot_be_is_refused() {
        for (format, text) in [
            ("trtexec", ""),
            ("trtexec", "[]"),
            ("trtexec", r#"[{"computeMs": 0.5}"#),
            ("trtexec", r#"[{"computeMs": 0.5}, {"latencyMs": 0.7}]"#),
            ("trtexec", r#"[{"computeMs": 0.0}]"#),
            ("trtexec", r#"[{"computeMs": -0.5}]"#),
            ("trtexec", r#"[{"computeMs": 0.5, "latencyMs": 0.1}]"#),
            ("trtexec", r#"[{"computeMs": 1e300}]"#),
            ("onnxruntime", ""),
            ("onnxruntime", "m.onnx,0.002,123,45,1"),
            ("onnxruntime", "0.002,123,45,0"),
            ("onnxruntime", "m.onnx,nan,123,45,0"),
            ("onnxruntime", "m.onnx,0.002,123,45,0\nm.onnx,0.0"),
            ("tflite-csv", "count=50 avg=7"),
            ("tflite-csv", "Inference timings in us: Inference (avg): "),
            ("tflite-csv", "Inference timings in us: Inference (avg): 0"),
        ] {
            assert!(read(format, None, text).is_err(), "{format}: {text}");
        }
        for text in ["", "lat: 7", "latency: x ms", "latency: 0 ms", "latency: inf ms", "latency: 1 ms\nlatency: -1 ms"]
        {
            assert!(read(r"latency: (\S+) ms", Some(Unit::Ms), text).is_err(), "{text}");
        }
    }
}
