//! Finds a device file by name: in the user's folder, else among the built-in ones.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use nasprof_base::{config_text, suggest};
use toml::{Table, Value};

use super::validity::check;
use super::{DeviceFile, DeviceFileError, Group};

const BUILTIN: [(&str, &str); 7] = [
    ("cuda0", include_str!("../../../configs/devices/cuda0.toml")),
    ("jetson", include_str!("../../../configs/devices/jetson.toml")),
    ("jetson-tensorrt", include_str!("../../../configs/devices/jetson-tensorrt.toml")),
    ("local", include_str!("../../../configs/devices/local.toml")),
    ("raspberry-pi", include_str!("../../../configs/devices/raspberry-pi.toml")),
    ("raspberry-pi-onnxruntime", include_str!("../../../configs/devices/raspberry-pi-onnxruntime.toml")),
    ("synthetic", include_str!("../../../configs/devices/synthetic.toml")),
];

/// Endings of device files; JSON has the same keys.
const ENDINGS: [&str; 2] = [".toml", ".json"];

/// Maximum size: a device file has only a few lines.
const MAX_BYTES: u64 = 1 << 20;

/// Names of the devices that ship with the program.
#[must_use]
pub fn builtin_names() -> Vec<&'static str> {
    BUILTIN.iter().map(|(name, _)| *name).collect()
}

/// Names of the devices and groups in the user's folder.
#[must_use]
pub fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let name = |entry: fs::DirEntry| {
        let name = entry.file_name();
        let name = name.to_str()?;
        ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)).map(ToOwned::to_owned)
    };
    entries.filter_map(|entry| name(entry.ok()?)).collect()
}

/// Finds a device: `synthetic:NAME`, a file in the user's folder, or a built-in one. `settings` are `key=value` texts that
/// override the file.
///
/// # Errors
/// An unknown name, an invalid file, or an invalid setting.
pub fn find(name: &str, user_folder: Option<&Path>, settings: &[String]) -> Result<DeviceFile, DeviceFileError> {
    if name.starts_with("synthetic:") {
        return match settings.first() {
            None => Ok(DeviceFile::synthetic(name)),
            Some(setting) => Err(in_setting(setting, "a synthetic device has no file")),
        };
    }
    let (path, text) = text(name, user_folder)?;
    let fail = |problem: String| DeviceFileError::File { path: path.clone(), problem };
    let mut table = config_text::table(&text).map_err(fail)?;
    if table.contains_key("devices") {
        return Err(DeviceFileError::Group { path });
    }
    // The file is parsed without the settings first, so that an error names the right source. Only `host` may come from the
    // settings.
    let mut alone = table.clone();
    if settings.iter().any(|s| s.trim_start().starts_with("host")) {
        alone.entry("host").or_insert_with(|| Value::String("unset".to_owned()));
    }
    let mut file = parse(alone).map_err(fail)?;
    for setting in settings {
        (table, file) = with_setting(&table, setting).map_err(|problem| in_setting(setting, &problem))?;
    }
    name.clone_into(&mut file.name);
    Ok(file)
}

/// Expands a list of devices and groups to devices, in order.
///
/// # Errors
/// An invalid group file, or a device that occurs twice.
pub fn expand(names: &[String], user_folder: Option<&Path>) -> Result<Vec<String>, DeviceFileError> {
    let mut all = Vec::new();
    for name in names {
        all.extend(members(name, user_folder)?);
    }
    let mut seen = BTreeSet::new();
    match all.iter().find(|name| !seen.insert(*name)) {
        Some(twice) => Err(DeviceFileError::Twice { name: twice.clone() }),
        None => Ok(all),
    }
}

/// A group's devices, or the device itself. Groups cannot contain groups.
fn members(name: &str, user_folder: Option<&Path>) -> Result<Vec<String>, DeviceFileError> {
    let itself = || Ok(vec![name.to_owned()]);
    if name.starts_with("synthetic:") {
        return itself();
    }
    let (path, text) = text(name, user_folder)?;
    let fail = |problem: String| DeviceFileError::File { path: path.clone(), problem };
    // `find` reports a text that does not parse, as a device.
    match config_text::table(&text) {
        Ok(table) if table.contains_key("devices") => {
            let group: Group = table.try_into().map_err(|e: toml::de::Error| fail(explain(&e)))?;
            if group.format_version != 1 {
                return Err(fail(format!("format_version {} is not known", group.format_version)));
            }
            if group.devices.is_empty() {
                return Err(fail("the group is empty".to_owned()));
            }
            Ok(group.devices)
        }
        _ => itself(),
    }
}

/// A description of a device or group in one line: from its file, else how it is reached.
///
/// # Errors
/// An unknown name or an invalid file.
pub fn describe(name: &str, user_folder: Option<&Path>) -> Result<String, DeviceFileError> {
    let (path, text) = text(name, user_folder)?;
    let fail = |problem: String| DeviceFileError::File { path: path.clone(), problem };
    let table = config_text::table(&text).map_err(fail)?;
    if table.contains_key("devices") {
        let group: Group = table.try_into().map_err(|e: toml::de::Error| fail(explain(&e)))?;
        let members = format!("group of {}", group.devices.join(", "));
        return Ok(group.description.map_or(members.clone(), |description| format!("{description} ({members})")));
    }
    // The host may be given by `--set`.
    let mut table = table;
    if table.get("transport").and_then(Value::as_str) == Some("ssh") {
        table.entry("host").or_insert_with(|| Value::String("unset".to_owned()));
    }
    let file = parse(table).map_err(fail)?;
    let threads = if file.threads == 1 { "1 thread".to_owned() } else { format!("{} threads", file.threads) };
    let place = file.host.as_ref().map_or_else(|| "this machine".to_owned(), |host| format!("over SSH at {host}"));
    Ok(file.description.unwrap_or_else(|| format!("{place}, back end {}, {threads}", file.backend)))
}

/// A device's file: its path and its text.
///
/// # Errors
/// An unknown name or an unreadable file.
pub fn text(name: &str, user_folder: Option<&Path>) -> Result<(String, String), DeviceFileError> {
    // Only a name is accepted, never a path: `../x` must not leave the folder.
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let folder = user_folder.filter(|_| plain);
    let paths = folder.map(|folder| ENDINGS.map(|ending| folder.join(format!("{name}{ending}"))));
    if let Some(path) = paths.into_iter().flatten().find(|path: &PathBuf| path.is_file()) {
        let fail = |problem: String| DeviceFileError::File { path: path.display().to_string(), problem };
        if fs::metadata(&path).is_ok_and(|m| m.len() > MAX_BYTES) {
            return Err(fail("is too large for a device file".to_owned()));
        }
        let text = fs::read_to_string(&path).map_err(|e| fail(e.to_string()))?;
        return Ok((path.display().to_string(), text));
    }
    match BUILTIN.iter().find(|(known, _)| *known == name) {
        Some((_, text)) => Ok((format!("{name}.toml"), (*text).to_owned())),
        None => {
            let own = user_folder.map(names_in).unwrap_or_default();
            let known = builtin_names().into_iter().chain(own.iter().map(String::as_str));
            Err(DeviceFileError::Unknown { name: name.to_owned(), nearest: suggest::nearest(name, known) })
        }
    }
}

fn parse(table: Table) -> Result<DeviceFile, String> {
    let file: DeviceFile = table.try_into().map_err(|e| explain(&e))?;
    check(&file)?;
    Ok(file)
}

fn explain(error: &toml::de::Error) -> String {
    suggest::explain(error.to_string().trim())
}

/// The table with one more setting, and the resulting device file. The value is parsed as TOML; if that does not fit, it is
/// taken as a string. So a user named 1000 needs no quotes for TOML in addition to those for the shell.
fn with_setting(table: &Table, setting: &str) -> Result<(Table, DeviceFile), String> {
    let (key, value) = setting.split_once('=').ok_or("is not of the form key=value")?;
    let (key, value) = (key.trim(), value.trim());
    let parsed = format!("value = {value}").parse::<Table>().ok().filter(|parsed| parsed.len() == 1);
    let parsed = parsed.and_then(|mut parsed| parsed.remove("value"));
    let text = Value::String(value.to_owned());
    let with = |value: Value| {
        let mut table = table.clone();
        set(&mut table, key, value)?;
        parse(table.clone()).map(|file| (table, file))
    };
    match parsed {
        Some(value) => with(value).or_else(|problem| with(text).map_err(|_| problem)),
        None => with(text),
    }
}

/// Sets `key` (`table.key` for a key of a table).
fn set(table: &mut Table, key: &str, value: Value) -> Result<(), String> {
    if key.is_empty() {
        return Err("the key is empty".to_owned());
    }
    match key.split_once('.') {
        None => table.insert(key.to_owned(), value),
        Some((outer, inner)) => table
            .entry(outer)
            .or_insert_with(|| Value::Table(Table::new()))
            .as_table_mut()
            .ok_or_else(|| format!("`{outer}` is not a table"))?
            .insert(inner.to_owned(), value),
    };
    Ok(())
}

fn in_setting(setting: &str, problem: &str) -> DeviceFileError {
    DeviceFileError::Setting { setting: setting.to_owned(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::Transport;
    use super::*;

    const BOARD: &str = "format_version = 1\ntransport = \"ssh\"\nhost = \"a\"\nbackend = \"torch\"\nthreads = 1\n";

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(format!("{name}.toml")), text).unwrap();
        }
        folder
    }

    #[test]
    fn json_with_the_same_keys_is_the_same_device() {
        let folder = folder(&[("board", BOARD)]);
        let json = serde_json::to_string(&BOARD.parse::<Table>().unwrap()).unwrap();
        fs::write(folder.path().join("other.json"), json).unwrap();
        let found = |name: &str| find(name, Some(folder.path()), &["port=7".to_owned()]).unwrap();
        assert_eq!(found("other").name, "other");
        assert_eq!(DeviceFile { name: "board".to_owned(), ..found("other") }, found("board"));
        let mut names = names_in(folder.path());
        names.sort();
        assert_eq!(names, ["board", "other"]);
    }

    fn settings(all: &[&str]) -> Vec<String> {
        all.iter().map(|&s| s.to_owned()).collect()
    }

    #[test]
    fn built_in_files_are_right() {
        for name in builtin_names() {
            find(name, None, &[]).unwrap();
        }
    }

    #[test]
    fn unknown_names_are_explained_and_paths_are_no_names() {
        let error = find("lokal", None, &[]).unwrap_err().to_string();
        assert!(error.contains("did you mean `local`"), "{error}");
        assert!(matches!(find("../local", Some(Path::new("/")), &[]), Err(DeviceFileError::Unknown { .. })));
    }

    #[test]
    fn the_users_file_goes_over_the_built_in_one() {
        let folder = folder(&[("local", BOARD)]);
        assert_eq!(find("local", Some(folder.path()), &[]).unwrap().transport, Transport::Ssh);
        assert_eq!(find("local", None, &[]).unwrap().transport, Transport::Local);
    }

    #[test]
    fn settings_go_over_the_file() {
        let folder = folder(&[("board", BOARD), ("bare", &BOARD.replace("host = \"a\"\n", ""))]);
        let find = |name: &str, set: &[&str]| find(name, Some(folder.path()), &settings(set));
        let file = find("board", &["host=10.0.0.7", "port = 2222", "clocks.set=\"jetson_clocks\"", "cores=[1, 2]"]);
        let file = file.unwrap();
        assert_eq!(file.host.as_deref(), Some("10.0.0.7"));
        assert_eq!((file.port, file.cores), (Some(2222), vec![1, 2]));
        assert_eq!(file.clocks.set.as_deref(), Some("jetson_clocks"));
        // A value cannot bring a second key with it.
        assert!(find("board", &["user=x\nport=1"]).is_err() && find("board", &["port=1\nuser=\"x\""]).is_err());
        assert!(find("bare", &[]).unwrap_err().to_string().contains("host"));
        assert_eq!(find("bare", &["host=b"]).unwrap().host.as_deref(), Some("b"));
        // A text that TOML takes for something else.
        assert_eq!(find("board", &["user=1000"]).unwrap().user.as_deref(), Some("1000"));
        assert_eq!(find("board", &["power_mode_command=false"]).unwrap().power_mode_command.as_deref(), Some("false"));
    }

    #[test]
    fn a_wrong_setting_is_named() {
        let folder = folder(&[("board", BOARD)]);
        for (setting, naming) in [
            ("port=ssh", "setting `port=ssh`"),
            ("prot=22", "did you mean `port`"),
            ("port", "key=value"),
            ("=22", "empty"),
            ("host.a=1", "not a table"),
            ("port=0", "port"),
        ] {
            let error = find("board", Some(folder.path()), &settings(&[setting])).unwrap_err().to_string();
            assert!(error.starts_with("setting `") && error.contains(naming), "{setting}: {error}");
        }
        assert!(find("synthetic:quiet", None, &settings(&["host=a"])).is_err());
    }

    #[test]
    fn groups_are_lists_of_devices() {
        let group = "format_version = 1\ndevices = [\"board\", \"local\"]";
        let empty = "format_version = 1\ndevices = []";
        let folder = folder(&[("board", BOARD), ("both", group), ("none", empty)]);
        let expand = |names: &[&str]| expand(&settings(names), Some(folder.path()));
        assert_eq!(expand(&["both", "synthetic:quiet"]).unwrap(), ["board", "local", "synthetic:quiet"]);
        assert!(expand(&["both", "local"]).unwrap_err().to_string().contains("twice"));
        assert!(expand(&["none"]).unwrap_err().to_string().contains("empty"));
        assert!(find("both", Some(folder.path()), &[]).unwrap_err().to_string().contains("group"));
    }

    #[test]
    fn hostile_files_are_refused() {
        let long = format!("{BOARD}# {}", "x".repeat(MAX_BYTES as usize));
        let folder = folder(&[("cut", &BOARD[..60]), ("type", &BOARD.replace('1', "\"one\"")), ("long", &long)]);
        fs::write(folder.path().join("bytes.toml"), b"\xff\xfe").unwrap();
        for name in ["cut", "type", "long", "bytes"] {
            let error = find(name, Some(folder.path()), &[]).unwrap_err().to_string();
            assert!(error.contains(&format!("{name}.toml")), "{error}");
        }
    }
}
