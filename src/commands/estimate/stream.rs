//! Many architectures, one line of JSON for each: read, predicted and written by all cores.

use std::collections::HashMap;

use nasprof_graph::arch::ArchFile;
use nasprof_graph::arch_reader::ArchReader;
use nasprof_graph::{Arch, Choice};
use nasprof_lut::{CurrentLevel, Estimator, Prediction, Predictor, WholeNetwork};
use nasprof_spaces::Space;
use rayon::prelude::*;
use serde::Serialize;

use super::super::archs::Archs;
use super::super::print_own;
use crate::failure::Failure;
use crate::terminal::json_line;

/// Significant digits of milliseconds: further digits depend on the order of summation.
const DIGITS: usize = 12;

/// What is known beside the predictions.
pub(super) struct Known<'a> {
    /// The networks that the LUT measured whole.
    pub(super) whole: HashMap<&'a Arch, WholeNetwork<'a>>,
    /// The level that estimates are at, unless it is the LUT's.
    pub(super) level: Option<&'a CurrentLevel>,
}

/// Predicts all architectures; returns whether each has a latency.
pub(super) fn run(
    archs: &mut Archs,
    space: &Space,
    estimator: &Estimator<'_>,
    known: &Known<'_>,
) -> Result<bool, Failure> {
    let (reader, names) = (ArchReader::new(&space.name, &space.choices), Names::new(space)?);
    let predictor = Predictor::new(space, estimator);
    let mut workers: Vec<Worker<'_>> =
        (0..rayon::current_num_threads()).map(|_| Worker { predictor: predictor.clone(), known }).collect();
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
            .map(|(lines, worker)| worker.lines(&reader, &names, lines))
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
            // An architecture over several lines, or an invalid one: read one at a time.
            None => {
                archs.put_back(lines);
                while archs.has_pending() {
                    complete &= workers[0].next(archs)?;
                }
            }
        }
    }
    // The input is at its end; an empty input is an error.
    while let Some(known) = workers[0].next_if_any(archs)? {
        complete &= known;
    }
    Ok(complete)
}

/// The output lines of some architectures.
struct Part {
    text: String,
    archs: usize,
    complete: bool,
}

/// The output line of an architecture in any form.
#[derive(Serialize)]
struct Line<'a> {
    arch: &'a ArchFile,
    #[serde(flatten)]
    values: Values<'a>,
}

#[derive(Serialize)]
struct Values<'a> {
    latency_ms: Option<f64>,
    interval_ms: Option<[f64; 2]>,
    params: u64,
    macs: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<&'a CurrentLevel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    measured_ms: Option<f64>,
}

impl<'a> Known<'a> {
    fn beside(&self, arch: &Arch, prediction: Prediction) -> Values<'a> {
        let Prediction { latency_ms, interval_ms, params, macs } = prediction;
        let interval_ms = interval_ms.map(|ends| ends.map(shown));
        // Merged and imported LUTs often have none; then nothing is looked up.
        let whole = if self.whole.is_empty() { None } else { self.whole.get(arch) };
        let measured_ms = whole.map(|whole| shown(whole.ms));
        Values { latency_ms: latency_ms.map(shown), interval_ms, params, macs, level: self.level, measured_ms }
    }
}

/// The JSON of a space's architectures in parts, so that each name is serialised only once.
struct Names {
    begin: String,
    /// For each choice, in the order of the file: its position, and `"choice":"candidate"` for each candidate.
    choices: Vec<(usize, Vec<String>)>,
}

impl Names {
    fn new(space: &Space) -> Result<Self, Failure> {
        let pair = |choice: &str, candidate: &String| Ok(format!("{}:{}", json_line(&choice)?, json_line(candidate)?));
        let mut sorted: Vec<(usize, &Choice)> = space.choices.iter().enumerate().collect();
        sorted.sort_by(|a, b| a.1.name.cmp(&b.1.name));
        let pairs = |(i, choice): (usize, &Choice)| {
            let all = choice.candidates.iter().map(|candidate| pair(&choice.name, candidate));
            Ok((i, all.collect::<Result<_, Failure>>()?))
        };
        let choices = sorted.into_iter().map(pairs).collect::<Result<_, Failure>>()?;
        let begin = format!("{{\"format_version\":1,\"space\":{},\"choices\":{{", json_line(&space.name)?);
        Ok(Self { begin, choices })
    }

    /// Appends an architecture of the space.
    fn write(&self, arch: &Arch, text: &mut String) {
        text.push_str(&self.begin);
        for (written, (i, candidates)) in self.choices.iter().enumerate() {
            if written > 0 {
                text.push(',');
            }
            text.push_str(&candidates[usize::from(arch.0[*i])]);
        }
        text.push_str("}}");
    }
}

/// A worker for one core.
struct Worker<'a> {
    predictor: Predictor<'a>,
    known: &'a Known<'a>,
}

impl Worker<'_> {
    /// `None` if a line is not an architecture in the usual form.
    fn lines(&mut self, reader: &ArchReader, names: &Names, lines: &[String]) -> Option<Part> {
        let mut part = Part { text: String::new(), archs: 0, complete: true };
        for line in lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()) {
            let arch = reader.read(line)?;
            let prediction = self.predictor.predict(&arch).ok()?;
            part.archs += 1;
            part.complete &= prediction.latency_ms.is_some();
            part.text += "{\"arch\":";
            names.write(&arch, &mut part.text);
            part.text.push(',');
            part.text += json_line(&self.known.beside(&arch, prediction)).ok()?.trim_start_matches('{');
            part.text.push('\n');
        }
        Some(part)
    }

    /// Predicts the next architecture in any form; returns whether it has a latency.
    fn next(&mut self, archs: &mut Archs) -> Result<bool, Failure> {
        Ok(self.next_if_any(archs)?.unwrap_or(true))
    }

    fn next_if_any(&mut self, archs: &mut Archs) -> Result<Option<bool>, Failure> {
        let Some((place, file)) = archs.next()? else { return Ok(None) };
        let space = self.predictor.space();
        let arch = file.resolve(&space.name, &space.choices).map_err(|e| Failure::from(e).context(place))?;
        let prediction = self.predictor.predict(&arch)?;
        let complete = prediction.latency_ms.is_some();
        print_own(&json_line(&Line { arch: &file, values: self.known.beside(&arch, prediction) })?)?;
        Ok(Some(complete))
    }
}

/// Rounds to the digits that do not depend on the order of summation.
pub(super) fn shown(ms: f64) -> f64 {
    format!("{ms:.*e}", DIGITS - 1).parse().unwrap_or(ms)
}
