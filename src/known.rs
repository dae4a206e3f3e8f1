//! The names of known devices.

use std::path::PathBuf;

use nasprof_base::env_path::config_home;

/// Folder of the user's own device files.
pub(crate) fn user_devices() -> Option<PathBuf> {
    config_home().map(|folder| folder.join("nasprof/devices"))
}

/// The files in the user's folder that may be those of a device.
pub(crate) fn device_files(name: &str) -> Vec<PathBuf> {
    let folder = user_devices();
    folder
        .map(|folder| ["toml", "json"].map(|ending| folder.join(format!("{name}.{ending}"))))
        .into_iter()
        .flatten()
        .collect()
}

/// A device that can be named.
pub(crate) struct KnownDevice {
    pub(crate) name: String,
    pub(crate) description: String,
}

/// All devices and groups that can be named, in the order of the alphabet.
pub(crate) fn known_devices() -> Vec<KnownDevice> {
    let folder = user_devices();
    let mut names: Vec<String> = nasprof_devices::builtin_names().into_iter().map(ToOwned::to_owned).collect();
    names.extend(folder.as_deref().map(nasprof_devices::names_in).into_iter().flatten());
    let of_file = names.into_iter().map(|name| {
        let description = nasprof_devices::describe(&name, folder.as_deref());
        let description = description.unwrap_or_else(|error| format!("cannot be used: {error}"));
        KnownDevice { name, description }
    });
    let synthetic = nasprof_profiler::synthetic::names().map(|name| KnownDevice {
        name: format!("synthetic:{name}"),
        description: nasprof_profiler::synthetic::description(name).unwrap_or_default().to_owned(),
    });
    let mut all: Vec<KnownDevice> = of_file.chain(synthetic).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all.dedup_by(|a, b| a.name == b.name);
    all
}
