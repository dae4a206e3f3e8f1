//! Profiles and tables whose entries are layers of their own model, not of a space.

mod blocks;
mod onnxruntime;
mod tflite;
mod trtexec;

use std::collections::{BTreeMap, HashMap};

use nasprof_graph::LayerKey;

use super::entry::Entry;
use super::error::ImportError;
use super::format::{Format, Unit};
use super::{Import, ImportReport, ImportSettings, context, plausibility, times};
use crate::{Flag, Lut, MAX_NS, Row};

/// Maximum layers of a model.
const MAX_LAYERS: usize = 200_000;

/// One layer in a profile.
#[derive(Debug, Clone, PartialEq)]
struct Layer {
    /// The operator, as the other program calls it.
    operator: String,
    /// Its name, which distinguishes it from other layers of the operator.
    name: String,
    /// Shapes of its inputs as `1x3x32x32,…`; empty where they are not known.
    shapes: String,
    /// Its latency as text.
    text: String,
    /// How often it was measured; 0 where that is not known.
    samples: u64,
    /// Its multiply-accumulates, if they follow from its name.
    macs: u64,
}

/// A layer of a profile, in nanoseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct ProfileLayer {
    /// The operator, as the other program calls it.
    pub operator: String,
    /// Its name; with a number if the profile has another one of that name.
    pub name: String,
    /// Shapes of its inputs as `1x3x32x32,…`; empty where they are not known.
    pub shapes: String,
    /// Nanoseconds, on the average of the runs.
    pub ns: f64,
    /// How often it was measured; 0 where that is not known.
    pub samples: u64,
}

/// The layers of a runtime's profile, in the order they ran.
///
/// # Errors
/// If the text is not of that format or has no layer, or if a layer has an impossible time. A layer may take no time if
/// others take some.
pub fn profile_layers(text: &str, format: Format) -> Result<Vec<ProfileLayer>, ImportError> {
    let Some((layers, unit)) = of_runtime(text, format)? else {
        return Err(ImportError::Format(format!("`{}` is not a runtime's profile", format.name())));
    };
    check_number(&layers)?;
    let mut seen = HashMap::new();
    let time = |layer: &Layer| {
        let place = format!("layer `{}`", layer.name);
        let entry = Entry::new(Ok(LayerKey(layer.name.clone())), &layer.text, &place)?;
        let ns = entry.value * unit.nanoseconds();
        match (0.0..=MAX_NS).contains(&ns) {
            true => Ok(ns),
            false => Err(ImportError::Format(format!("{place}: impossible time `{}` {}", layer.text, unit.name()))),
        }
    };
    let times = layers.iter().map(time).collect::<Result<Vec<f64>, _>>()?;
    if times.iter().sum::<f64>() <= 0.0 {
        return Err(ImportError::Format("all its layers take 0 ms".to_owned()));
    }
    let layer = |(layer, ns): (&Layer, f64)| ProfileLayer {
        operator: layer.operator.clone(),
        name: unique(&mut seen, layer),
        shapes: layer.shapes.clone(),
        ns,
        samples: layer.samples,
    };
    Ok(layers.iter().zip(times).map(layer).collect())
}

/// The layers of a runtime's profile and its unit; `None` if the format is not that of a runtime's profile.
fn of_runtime(text: &str, format: Format) -> Result<Option<(Vec<Layer>, Unit)>, ImportError> {
    Ok(Some(match format {
        Format::Trtexec => (trtexec::read(text)?, Unit::Milliseconds),
        Format::TfliteCsv => (tflite::read(text)?, Unit::Milliseconds),
        Format::OnnxRuntime => (onnxruntime::read(text)?, Unit::Microseconds),
        _ => return Ok(None),
    }))
}

fn check_number(layers: &[Layer]) -> Result<(), ImportError> {
    match layers.len() {
        0 => Err(ImportError::Format("it contains no layers".to_owned())),
        n if n > MAX_LAYERS => Err(ImportError::Format(format!("more than {MAX_LAYERS} layers"))),
        _ => Ok(()),
    }
}

/// Makes a LUT of a profile: one row for each layer of the model.
///
/// # Errors
/// If the text is not of that format, has no layer, or is mostly implausible.
pub fn import_profile(text: &str, settings: &ImportSettings) -> Result<Import, ImportError> {
    let (layers, unit) = match settings.format {
        Format::OnceForAll => (blocks::yaml(text, blocks::Expand::Channels)?, said(settings, Unit::Milliseconds)?),
        Format::ProxylessNas => (blocks::yaml(text, blocks::Expand::Ratio)?, said(settings, Unit::Milliseconds)?),
        // The format does not name its unit.
        Format::NniFbnet => (blocks::nni(text)?, settings.unit.ok_or(ImportError::Unit)?),
        format => match of_runtime(text, format)? {
            Some((layers, unit)) => (layers, said(settings, unit)?),
            None => return Err(ImportError::Format(format!("`{}` is a table of a space's layers", format.name()))),
        },
    };
    check_number(&layers)?;
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut rows = Vec::with_capacity(layers.len());
    let mut entries = Vec::with_capacity(layers.len());
    for layer in &layers {
        let name = unique(&mut seen, layer);
        let key = LayerKey(format!("{}({name})[{}]", layer.operator, layer.shapes));
        let entry = Entry::new(Ok(key.clone()), &layer.text, &format!("layer `{}`", layer.name))?;
        rows.push(row(key, name, layer, &entry, unit, settings));
        entries.push(entry);
    }
    let judged: Vec<(&Row, &Entry)> = rows.iter().zip(&entries).collect();
    let judgement = plausibility::judge(&judged);
    if let (Some(why), false) = (&judgement.whole, settings.allow_suspicious) {
        return Err(ImportError::Suspicious(why.clone()));
    }
    for (row, suspicious) in rows.iter_mut().zip(&judgement.rows) {
        if *suspicious {
            row.flags.push(Flag::Suspicious);
        }
    }
    let failed = rows.iter().filter(|row| row.times.is_none()).count();
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    let report = ImportReport {
        entries: layers.len(),
        rows: rows.len() - failed,
        missing: 0,
        failed,
        left_out: BTreeMap::new(),
        findings: judgement.findings,
    };
    Ok(Import { lut: Lut { context: context(settings, unit), rows }, report })
}

/// The format's unit, unless another one was requested.
fn said(settings: &ImportSettings, unit: Unit) -> Result<Unit, ImportError> {
    match settings.unit {
        Some(asked) if asked != unit => Err(ImportError::Units { column: unit.name(), asked: asked.name() }),
        _ => Ok(unit),
    }
}

/// The layer's name; with a number if the model has another one of that name.
fn unique(seen: &mut HashMap<String, usize>, layer: &Layer) -> String {
    let whole = format!("{}\n{}\n{}", layer.operator, layer.name, layer.shapes);
    let count = seen.entry(whole).or_default();
    *count += 1;
    if *count == 1 { layer.name.clone() } else { format!("{}#{count}", layer.name) }
}

fn row(key: LayerKey, name: String, layer: &Layer, entry: &Entry, unit: Unit, settings: &ImportSettings) -> Row {
    let mut times = times(entry, unit);
    if let Some(times) = &mut times {
        times.n_samples = layer.samples;
    }
    Row {
        launch_ns: None,
        error: times.is_none().then(|| super::failed(entry)),
        times,
        key,
        op: layer.operator.clone(),
        attributes: name,
        input_shapes: layer.shapes.clone(),
        mode: settings.mode,
        flags: vec![Flag::Imported],
        params: 0,
        macs: layer.macs,
        bytes: 0,
        peak_memory_bytes: None,
        stored_bytes: None,
        first_call_ns: None,
        energy: None,
    }
}
