//! Regularizers with the LUTs that they name.

use std::sync::Arc;

use nasprof_lut::{Lut, read};
use nasprof_spaces::Space;

use super::{ConfigError, Experiment, Regularizer};

/// A regulariser with its LUT.
#[derive(Debug, Clone)]
pub struct LoadedRegularizer {
    /// Its settings in the experiment file.
    pub settings: Regularizer,
    /// Its LUT, which belongs to the space.
    pub lut: Option<Arc<Lut>>,
}

/// Loads the LUTs. Each must belong to the space; if the experiment names a device, one of them must be of that device.
pub(super) fn load(experiment: &Experiment, space: &Space) -> Result<Vec<LoadedRegularizer>, ConfigError> {
    let supernet = space.graph.identity();
    let mut loaded = Vec::new();
    for (i, settings) in experiment.regularizers.iter().enumerate() {
        let key = format!("regularizers.{i}.lut");
        let fail = |source| ConfigError::Lut { key: key.clone(), source };
        let lut = settings.lut.as_deref().map(read).transpose().map_err(fail)?;
        if let Some(lut) = &lut {
            lut.check_space(&space.name, &supernet).map_err(fail)?;
        }
        loaded.push(LoadedRegularizer { settings: settings.clone(), lut: lut.map(Arc::new) });
    }
    let devices: Vec<&str> =
        loaded.iter().filter_map(|r| Some(r.lut.as_ref()?.context.header.device.as_str())).collect();
    match &experiment.device {
        Some(device) if !devices.is_empty() && !devices.contains(&device.as_str()) => {
            let problem = format!("no LUT was measured on `{device}`; the LUTs are of {}", devices.join(", "));
            Err(ConfigError::key("device", problem))
        }
        _ => Ok(loaded),
    }
}
