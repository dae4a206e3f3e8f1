//! Clocks of Jetson boards: power modes (`nvpmodel`) and the script that locks all clocks (`jetson_clocks`).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nasprof_profiler::protocol::Setting;

use super::cpufreq::CpuFrequency;
use super::{ClockControl, ClockError};

/// Folders of the board's programs, below its root.
const FOLDERS: [&str; 4] = ["usr/bin", "usr/sbin", "bin", "sbin"];
/// File with the names and numbers of the power modes, below the root.
const MODES: &str = "etc/nvpmodel.conf";
/// File in the state folder in which `jetson_clocks` stores the original clocks; also the name of the setting with its text.
const STORED: &str = "jetson_clocks.conf";
/// Such a file has some tens of lines.
const MAX_STORED: u64 = 1 << 20;

/// The path of a program, if the board has it.
fn program(root: &Path, name: &str) -> Option<PathBuf> {
    FOLDERS.iter().map(|folder| root.join(folder).join(name)).find(|path| path.is_file())
}

/// Runs a program without input: a prompt ("YES" to reboot) gets the end of the input.
fn run(program: &Path, arguments: &[&str]) -> Result<String, ClockError> {
    finish(Command::new(program), program, arguments)
}

/// Runs a program that needs root; other accounts use `sudo` without a prompt.
fn run_as_root(program: &Path, arguments: &[&str]) -> Result<String, ClockError> {
    if nix::unistd::geteuid().is_root() {
        return run(program, arguments);
    }
    let mut command = Command::new("sudo");
    command.arg("-n").arg(program);
    finish(command, program, arguments)
}

fn finish(mut command: Command, program: &Path, arguments: &[&str]) -> Result<String, ClockError> {
    let name = || program.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let wrong = |problem: String| ClockError::Setting { name: format!("{} {}", name(), arguments.join(" ")), problem };
    let output = command.args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|e| wrong(e.to_string()))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned();
        return Err(wrong(format!("{} {words}", output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The power mode, which bounds all clocks. It is changed only on request, and only on boards with `nvpmodel`. On other
/// devices the host checks the mode itself.
pub(super) struct PowerMode {
    root: PathBuf,
    /// Name or number.
    wanted: Option<String>,
}

impl PowerMode {
    pub(super) fn new(root: impl Into<PathBuf>, wanted: Option<String>) -> Self {
        Self { root: root.into(), wanted }
    }

    /// The number of the requested mode.
    fn number(&self, wanted: &str) -> Result<u32, ClockError> {
        if let Ok(number) = wanted.parse() {
            return Ok(number);
        }
        let path = self.root.join(MODES);
        let wrong = |problem: String| ClockError::Setting { name: format!("power mode `{wanted}`"), problem };
        let text = std::fs::read_to_string(&path).map_err(|e| wrong(format!("{}: {e}", path.display())))?;
        let modes = parse_modes(&text);
        modes.iter().find(|(_, name)| name == wanted).map(|(number, _)| *number).ok_or_else(|| {
            let known: Vec<&str> = modes.iter().map(|(_, name)| name.as_str()).collect();
            wrong(format!("this board has {}", known.join(", ")))
        })
    }

    fn setting(value: u32) -> Setting {
        Setting { control: "nvpmodel".to_owned(), name: "mode".to_owned(), value: value.to_string() }
    }

    fn present(&self, program: &Path) -> Result<u32, ClockError> {
        let text = run(program, &["-q"])?;
        parse_mode(&text).ok_or_else(|| ClockError::Setting {
            name: "nvpmodel -q".to_owned(),
            problem: format!("no mode number in `{}`", text.trim()),
        })
    }
}

/// The number on the line after `NV Power Mode: NAME`.
fn parse_mode(text: &str) -> Option<u32> {
    text.lines().skip_while(|line| !line.contains("NV Power Mode")).nth(1)?.trim().parse().ok()
}

/// Numbers and names of `< POWER_MODEL ID=0 NAME=MAXN >`.
fn parse_modes(text: &str) -> Vec<(u32, String)> {
    let value = |line: &str, key: &str| {
        line.split([' ', '\t', '<', '>'])
            .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
            .map(ToOwned::to_owned)
    };
    let lines = text.lines().map(str::trim).filter(|line| line.starts_with('<') && line.contains("POWER_MODEL"));
    lines.filter_map(|line| Some((value(line, "ID")?.parse().ok()?, value(line, "NAME")?))).collect()
}

impl ClockControl for PowerMode {
    fn name(&self) -> &'static str {
        "nvpmodel"
    }

    fn read(&mut self) -> Result<Vec<Setting>, ClockError> {
        match program(&self.root, "nvpmodel") {
            Some(program) => Ok(vec![Self::setting(self.present(&program)?)]),
            None => Ok(Vec::new()),
        }
    }

    fn lock(&mut self) -> Result<Vec<Setting>, ClockError> {
        let (Some(wanted), Some(program)) = (&self.wanted, program(&self.root, "nvpmodel")) else {
            return Ok(Vec::new());
        };
        let mode = self.number(wanted)?;
        if self.present(&program)? != mode {
            run_as_root(&program, &["-m", &mode.to_string()])?;
        }
        if self.present(&program)? != mode {
            let by_hand = format!(
                "the mode was not set; run `sudo nvpmodel -m {mode}` on the board, which may need a \
                reboot"
            );
            return Err(ClockError::Setting { name: format!("power mode {wanted}"), problem: by_hand });
        }
        Ok(vec![Self::setting(mode)])
    }

    fn differences(&mut self, wanted: &[Setting]) -> Vec<String> {
        let now = match self.read() {
            Ok(now) => now,
            Err(error) => return vec![error.to_string()],
        };
        let of = |s: &[Setting]| s.first().map_or_else(|| "unknown".to_owned(), |s| s.value.clone());
        if wanted.is_empty() || now == wanted {
            Vec::new()
        } else {
            vec![format!("power mode is {}, not {}", of(&now), of(wanted))]
        }
    }

    fn restore(&mut self, before: &[Setting]) -> Result<(), ClockError> {
        let mode = before.first().and_then(|s| s.value.parse::<u32>().ok());
        if let (Some(mode), Some(program)) = (mode, program(&self.root, "nvpmodel"))
            && self.present(&program)? != mode
        {
            run_as_root(&program, &["-m", &mode.to_string()])?;
        }
        let left = self.differences(before);
        if left.is_empty() { Ok(()) } else { Err(ClockError::ReadBack(left)) }
    }

    fn survives_reboot(&self) -> bool {
        true
    }
}

/// All clocks at the power mode's maximum, through `jetson_clocks`, which has its own store and restore.
pub(super) struct JetsonClocks {
    root: PathBuf,
    state: PathBuf,
}

impl JetsonClocks {
    pub(super) fn new(root: impl Into<PathBuf>, state: &Path) -> Self {
        Self { root: root.into(), state: state.to_owned() }
    }

    /// Whether the board has `jetson_clocks`.
    pub(super) fn is_there(&self) -> bool {
        program(&self.root, "jetson_clocks").is_some()
    }

    fn stored(&self) -> PathBuf {
        self.state.join(STORED)
    }
}

impl ClockControl for JetsonClocks {
    fn name(&self) -> &'static str {
        "jetson_clocks"
    }

    fn read(&mut self) -> Result<Vec<Setting>, ClockError> {
        let Some(program) = program(&self.root, "jetson_clocks") else { return Ok(Vec::new()) };
        let file = self.stored();
        // `jetson_clocks` refuses to overwrite the file.
        let _ = std::fs::remove_file(&file);
        run_as_root(&program, &["--store", &file.to_string_lossy()])?;
        let nothing = |problem: String| ClockError::Setting {
            name: "jetson_clocks --store".to_owned(),
            problem: format!("it stored nothing in {}: {problem}", file.display()),
        };
        let size = std::fs::metadata(&file).map_err(|e| nothing(e.to_string()))?.len();
        if size > MAX_STORED {
            return Err(nothing(format!("it has {size} bytes")));
        }
        let value = std::fs::read_to_string(&file).map_err(|e| nothing(e.to_string()))?;
        let stored = Setting { control: self.name().to_owned(), name: STORED.to_owned(), value };
        let shown = CpuFrequency::new(&self.root).read()?.into_iter();
        let shown = shown.map(|s| Setting { control: self.name().to_owned(), ..s });
        Ok(std::iter::once(stored).chain(shown).collect())
    }

    fn lock(&mut self) -> Result<Vec<Setting>, ClockError> {
        let Some(program) = program(&self.root, "jetson_clocks") else { return Ok(Vec::new()) };
        run_as_root(&program, &[])?;
        // `jetson_clocks` reports success even if it did nothing, so the processors' clocks are checked.
        let now = CpuFrequency::new(&self.root).read()?;
        let value = |file: &str| now.iter().filter(|s| s.name.ends_with(file)).map(|s| &s.value).collect::<Vec<_>>();
        let (lowest, highest) = (value("scaling_min_freq"), value("scaling_max_freq"));
        if lowest.is_empty() || lowest != highest {
            return Err(ClockError::ReadBack(vec![
                "jetson_clocks ran, but the processors' clocks still vary".to_owned(),
            ]));
        }
        let frequencies = now.into_iter().filter(|s| s.name.ends_with("_freq"));
        Ok(frequencies.map(|s| Setting { control: self.name().to_owned(), ..s }).collect())
    }

    fn differences(&mut self, wanted: &[Setting]) -> Vec<String> {
        let visible: Vec<Setting> = wanted.iter().filter(|s| s.name != STORED).cloned().collect();
        CpuFrequency::new(&self.root).differences(&visible)
    }

    fn restore(&mut self, before: &[Setting]) -> Result<(), ClockError> {
        let Some(stored) = before.iter().find(|s| s.name == STORED) else { return Ok(()) };
        let file = self.stored();
        let wrong = |problem: String| ClockError::Setting { name: "jetson_clocks --restore".to_owned(), problem };
        let program = program(&self.root, "jetson_clocks").ok_or_else(|| wrong("it is gone".to_owned()))?;
        // Written again, because the copy may come from the host. Removed first: the file may belong to root, but the folder
        // is ours.
        let _ = std::fs::remove_file(&file);
        std::fs::write(&file, &stored.value).map_err(|e| wrong(format!("{}: {e}", file.display())))?;
        run_as_root(&program, &["--restore", &file.to_string_lossy()])?;
        let left = self.differences(before);
        if !left.is_empty() {
            return Err(ClockError::ReadBack(left));
        }
        let _ = std::fs::remove_file(&file);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{parse_mode, parse_modes};

    #[test]
    fn modes_have_a_number_and_a_name() {
        let text = "# FORMAT:\n< PARAM TYPE=FILE NAME=CPU_ONLINE >\n< POWER_MODEL ID=0 NAME=MAXN >\nCPU_ONLINE CORE_0 1\n\
                    < POWER_MODEL ID=x NAME=BAD >\n<POWER_MODEL ID=2 NAME=MODE_15W>\n  < POWER_MODEL ID=1 NAME=MODE_10W >\n\
                    < PM_CONFIG DEFAULT=2 >\n";
        let modes = parse_modes(text);
        assert!(modes.contains(&(0, "MAXN".to_owned())) && modes.contains(&(1, "MODE_10W".to_owned())), "{modes:?}");
        assert!(modes.contains(&(2, "MODE_15W".to_owned())), "{modes:?}");
        assert_eq!(modes.len(), 3);
        assert!(parse_modes("").is_empty() && parse_modes("< POWER_MODEL").is_empty());
    }

    #[test]
    fn the_mode_is_the_number_after_its_name() {
        assert_eq!(parse_mode("NV Power Mode: 15W\n2\n"), Some(2));
        assert_eq!(parse_mode("NVPM WARN: fan mode is not set\nNV Power Mode: MAXN\n0\n"), Some(0));
        for bad in ["", "NV Power Mode: 15W", "NV Power Mode: 15W\nx", "2\n", "NV Power Mode: 15W\n-1"] {
            assert_eq!(parse_mode(bad), None, "{bad}");
        }
    }
}
