//! Regularizers with the LUTs that they name.

use std::sync::Arc;

use nasprof_lut::{Lut, read};
use nasprof_spaces::Space;

use super::{ConfigError, Experiment, Quantity, Regularizer};

/// A regulariser with its LUT.
#[derive(Debug, Clone)]
pub struct LoadedRegularizer {
    /// Its settings in the experiment file.
    pub settings: Regularizer,
    /// Its LUT, which belongs to the space and is set to the timing of the regularizer.
    pub lut: Option<Arc<Lut>>,
}

/// Loads the LUTs. Each must belong to the space; if the experiment names a device, one of them must be of that device.
pub(super) fn load(experiment: &Experiment, space: &Space) -> Result<Vec<LoadedRegularizer>, ConfigError> {
    let supernet = space.graph.identity();
    let loaded = read_all(experiment)?;
    for (i, regularizer) in loaded.iter().enumerate() {
        if let Some(lut) = &regularizer.lut {
            let fail = |source| ConfigError::Lut { key: format!("regularizers.{i}.lut"), source };
            lut.check_space(&space.name, &supernet).map_err(fail)?;
        }
    }
    let devices: Vec<&str> =
        loaded.iter().filter_map(|r| Some(r.lut.as_ref()?.context.header.device.as_str())).collect();
    match &experiment.device {
        Some(device) if !devices.is_empty() && of_device(&loaded, device)?.is_none() => {
            let problem = format!("no LUT was measured on `{device}`; the LUTs are of {}", devices.join(", "));
            Err(ConfigError::key("device", problem))
        }
        _ => Ok(loaded),
    }
}

impl Experiment {
    /// The LUT to measure the winner with, set to the timing by which the search judges it. `None` without a LUT of the
    /// experiment's device.
    ///
    /// # Errors
    /// A LUT that cannot be read, or lacks the timing of its regularizer; latencies of the device with several timings.
    pub fn lut_of_device(&self) -> Result<Option<Arc<Lut>>, ConfigError> {
        let Some(device) = &self.device else { return Ok(None) };
        of_device(&read_all(self)?, device)
    }
}

/// Reads the LUTs, and sets each to the timing of its regularizer.
fn read_all(experiment: &Experiment) -> Result<Vec<LoadedRegularizer>, ConfigError> {
    let load = |(i, settings): (usize, &Regularizer)| {
        let at = |key: &str| format!("regularizers.{i}.{key}");
        let fail = |source| ConfigError::Lut { key: at("lut"), source };
        let mut lut = settings.lut.as_deref().map(read).transpose().map_err(fail)?;
        if let (Some(lut), Some(timing)) = (&mut lut, settings.timing) {
            lut.choose_timing(timing).map_err(|source| ConfigError::Lut { key: at("timing"), source })?;
        }
        Ok(LoadedRegularizer { settings: settings.clone(), lut: lut.map(Arc::new) })
    };
    experiment.regularizers.iter().enumerate().map(load).collect()
}

/// The first LUT of the device, if possible that of a latency. All latencies of the device need the same timing, because
/// the winner is measured and judged by one of them.
fn of_device(loaded: &[LoadedRegularizer], device: &str) -> Result<Option<Arc<Lut>>, ConfigError> {
    let of_device = |(i, one): (usize, &LoadedRegularizer)| {
        let lut = one.lut.clone().filter(|lut| lut.context.header.device == device)?;
        Some((i, one.settings.quantity == Quantity::Latency, lut))
    };
    let (latencies, others): (Vec<_>, Vec<_>) =
        loaded.iter().enumerate().filter_map(of_device).partition(|(_, is_latency, _)| *is_latency);
    let timing = |lut: &Lut| lut.context.header.timing.unwrap_or_default();
    if let [(first, _, one), rest @ ..] = &latencies[..]
        && let Some((i, _, other)) = rest.iter().find(|(.., lut)| timing(lut) != timing(one))
    {
        let problem = format!(
            "the winner on `{device}` is measured with one timing, but this one is `{}` and that of regularizers.{first} \
             is `{}`; give both the same `timing`, or remove `device`",
            timing(other).name(),
            timing(one).name()
        );
        return Err(ConfigError::key(format!("regularizers.{i}.timing"), problem));
    }
    Ok(latencies.into_iter().chain(others).next().map(|(.., lut)| lut))
}
