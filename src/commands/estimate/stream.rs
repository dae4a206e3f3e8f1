//! Many architectures, one line of JSON for each: read, predicted and written by all cores.

use nasprof_graph::arch_reader::ArchReader;
use nasprof_lut::{Estimator, Prediction, Predictor};
use nasprof_spaces::Space;
use rayon::prelude::*;
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::archs::Archs;
use super::super::print_own;
use crate::failure::Failure;
use crate::terminal::json_line;

/// Significant digits of milliseconds: what is beyond depends on the order of a sum.
const DIGITS: usize = 12;

/// Predicts all architectures; whether each has a latency.
pub(super) fn run(archs: &mut Archs, space: &Space, estimator: &Estimator<'_>) -> Result<bool, Failure> {
    let reader = ArchReader::new(&space.name, &space.choices);
    let predictor = Predictor::new(space, estimator);
    let mut workers: Vec<Worker<'_>> =
        (0..rayon::current_num_threads()).map(|_| Worker { predictor: predictor.clone() }).collect();
    let mut complete = true;
    loop {
        let lines = archs.lines()?;
        if lines.is_empty() {
            break;
        }
        let part = lines.len().div_ceil(workers.len());
        let parts: Option<Vec<Part>> = lines
            .par_chunks(part)
            .zip(workers.par_iter_mut())
            .map(|(lines, worker)| worker.lines(&reader, lines))
            .collect();
        match parts {
            Some(parts) => {
                archs.took(lines.len(), parts.iter().map(|part| part.archs).sum());
                complete &= parts.iter().all(|part| part.complete);
                let text: String = parts.into_iter().map(|part| part.text).collect();
                if !text.is_empty() {
                    print_own(&text)?;
                }
            }
            // Over several lines, or wrong: one at a time.
            None => {
                archs.put_back(lines);
                while archs.has_pending() {
                    complete &= workers[0].next(archs)?;
                }
            }
        }
    }
    // Nothing is left, which is an error if there was nothing at all.
    while let Some(known) = workers[0].next_if_any(archs)? {
        complete &= known;
    }
    Ok(complete)
}

/// The lines of some architectures.
struct Part {
    text: String,
    archs: usize,
    complete: bool,
}

/// What is said of each.
#[derive(Serialize)]
struct Line<'a, A> {
    arch: &'a A,
    latency_ms: Option<f64>,
    interval_ms: Option<[f64; 2]>,
    params: u64,
    macs: u64,
}

impl<'a, A: Serialize> Line<'a, A> {
    fn new(arch: &'a A, network: Prediction) -> Self {
        let Prediction { latency_ms, interval_ms, params, macs } = network;
        let interval_ms = interval_ms.map(|ends| ends.map(shown));
        Self { arch, latency_ms: latency_ms.map(shown), interval_ms, params, macs }
    }
}

/// Works on one core.
struct Worker<'a> {
    predictor: Predictor<'a>,
}

impl Worker<'_> {
    /// `None` if a line is not an architecture in the usual form.
    fn lines(&mut self, reader: &ArchReader, lines: &[String]) -> Option<Part> {
        let mut part = Part { text: String::new(), archs: 0, complete: true };
        for line in lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()) {
            let prediction = self.predictor.predict(&reader.read(line)?).ok()?;
            part.archs += 1;
            part.complete &= prediction.latency_ms.is_some();
            // As it came, which is what it is. A tab between values could not be shown to a terminal.
            if line.bytes().any(|byte| byte < b' ') {
                return None;
            }
            let arch: &RawValue = serde_json::from_str(line).ok()?;
            part.text += &json_line(&Line::new(&arch, prediction)).ok()?;
            part.text.push('\n');
        }
        Some(part)
    }

    /// Predicts the next architecture, whatever its form; whether it has a latency.
    fn next(&mut self, archs: &mut Archs) -> Result<bool, Failure> {
        Ok(self.next_if_any(archs)?.unwrap_or(true))
    }

    fn next_if_any(&mut self, archs: &mut Archs) -> Result<Option<bool>, Failure> {
        let Some((place, file)) = archs.next()? else { return Ok(None) };
        let space = self.predictor.space();
        let arch = file.resolve(&space.name, &space.choices).map_err(|e| Failure::from(e).context(place))?;
        let prediction = self.predictor.predict(&arch)?;
        let complete = prediction.latency_ms.is_some();
        print_own(&json_line(&Line::new(&file, prediction))?)?;
        Ok(Some(complete))
    }
}

/// Rounded to the digits that do not depend on how it was summed.
pub(super) fn shown(ms: f64) -> f64 {
    format!("{ms:.*e}", DIGITS - 1).parse().unwrap_or(ms)
}
