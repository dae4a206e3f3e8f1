//! Clocks of Jetson boards: power modes (`nvpmodel`) and the script that fixes all clocks (`jetson_clocks`).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::cpufreq::CpuFrequency;
use super::{ClockControl, ClockError, Setting};

/// Where programs of the board are, below its root.
const FOLDERS: [&str; 4] = ["usr/bin", "usr/sbin", "bin", "sbin"];
/// Where `jetson_clocks` stores what it found, in the state folder.
const STORED: &str = "jetson_clocks.conf";

/// A program of the board, if it has it.
fn program(root: &Path, name: &str) -> Option<PathBuf> {
    FOLDERS.iter().map(|folder| root.join(folder).join(name)).find(|path| path.is_file())
}

/// Runs a program that asks nothing: a question ("YES" to reboot) is answered by the end of its input.
fn run(program: &Path, arguments: &[&str]) -> Result<String, ClockError> {
    let name = || program.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let wrong = |problem: String| ClockError::Setting { name: format!("{} {}", name(), arguments.join(" ")), problem };
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|e| wrong(e.to_string()))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned();
        return Err(wrong(format!("{} {words}", output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The power mode, which bounds all clocks. Changed only when a mode is asked for.
pub(super) struct PowerMode {
    root: PathBuf,
    wanted: Option<u32>,
}

impl PowerMode {
    pub(super) fn new(root: impl Into<PathBuf>, wanted: Option<u32>) -> Self {
        Self { root: root.into(), wanted }
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
        let Some(mode) = self.wanted else { return Ok(Vec::new()) };
        let program = program(&self.root, "nvpmodel").ok_or_else(|| ClockError::Setting {
            name: format!("power mode {mode}"),
            problem: "this device has no nvpmodel".to_owned(),
        })?;
        if self.present(&program)? != mode {
            run(&program, &["-m", &mode.to_string()])?;
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
            run(&program, &["-m", &mode.to_string()])?;
        }
        let left = self.differences(before);
        if left.is_empty() { Ok(()) } else { Err(ClockError::ReadBack(left)) }
    }

    fn survives_reboot(&self) -> bool {
        true
    }
}

/// All clocks at the highest of the power mode, through `jetson_clocks`, which stores and restores by itself.
pub(super) struct JetsonClocks {
    root: PathBuf,
    state: PathBuf,
}

impl JetsonClocks {
    pub(super) fn new(root: impl Into<PathBuf>, state: &Path) -> Self {
        Self { root: root.into(), state: state.to_owned() }
    }

    /// Whether the board has it.
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
        // It refuses to overwrite.
        let _ = std::fs::remove_file(&file);
        run(&program, &["--store", &file.to_string_lossy()])?;
        if !file.is_file() {
            let problem = format!("it stored nothing in {}", file.display());
            return Err(ClockError::Setting { name: "jetson_clocks --store".to_owned(), problem });
        }
        let (control, name) = (self.name().to_owned(), "stored".to_owned());
        Ok(vec![Setting { control, name, value: STORED.to_owned() }])
    }

    fn lock(&mut self) -> Result<Vec<Setting>, ClockError> {
        let Some(program) = program(&self.root, "jetson_clocks") else { return Ok(Vec::new()) };
        run(&program, &[])?;
        // It reports success even where it did nothing: the processors' clocks are looked at.
        let now = CpuFrequency::new(&self.root).read()?;
        let value = |file: &str| now.iter().filter(|s| s.name.ends_with(file)).map(|s| &s.value).collect::<Vec<_>>();
        let (lowest, highest) = (value("scaling_min_freq"), value("scaling_max_freq"));
        if lowest.is_empty() || lowest != highest {
            return Err(ClockError::ReadBack(vec![
                "jetson_clocks ran, but the processors' clocks still move".to_owned(),
            ]));
        }
        let frequencies = now.into_iter().filter(|s| s.name.ends_with("_freq"));
        Ok(frequencies.map(|s| Setting { control: self.name().to_owned(), ..s }).collect())
    }

    fn differences(&mut self, wanted: &[Setting]) -> Vec<String> {
        CpuFrequency::new(&self.root).differences(wanted)
    }

    fn restore(&mut self, before: &[Setting]) -> Result<(), ClockError> {
        if before.is_empty() {
            return Ok(());
        }
        let file = self.stored();
        let wrong = |problem: &str| ClockError::Setting {
            name: "jetson_clocks --restore".to_owned(),
            problem: problem.to_owned(),
        };
        let program = program(&self.root, "jetson_clocks").ok_or_else(|| wrong("it is gone"))?;
        if !file.is_file() {
            return Err(wrong(&format!("{} is gone", file.display())));
        }
        run(&program, &["--restore", &file.to_string_lossy()])?;
        let _ = std::fs::remove_file(&file);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::parse_mode;

    #[test]
    fn the_mode_is_the_number_after_its_name() {
        assert_eq!(parse_mode("NV Power Mode: 15W\n2\n"), Some(2));
        assert_eq!(parse_mode("NVPM WARN: fan mode is not set\nNV Power Mode: MAXN\n0\n"), Some(0));
        for bad in ["", "NV Power Mode: 15W", "NV Power Mode: 15W\nx", "2\n", "NV Power Mode: 15W\n-1"] {
            assert_eq!(parse_mode(bad), None, "{bad}");
        }
    }
}
