//! Paths from environment variables. An empty or relative path counts as unset, as the XDG base directory
//! specification requires: a relative one would depend on the current directory.

use std::ffi::OsString;
use std::path::PathBuf;

/// The path in a variable of the environment.
#[must_use]
pub fn env_path(variable: &str) -> Option<PathBuf> {
    absolute(std::env::var_os(variable))
}

/// The user's home folder, from `HOME`.
#[must_use]
pub fn home() -> Option<PathBuf> {
    env_path("HOME")
}

/// The user's configuration: `XDG_CONFIG_HOME`, else `~/.config`.
#[must_use]
pub fn config_home() -> Option<PathBuf> {
    below_home("XDG_CONFIG_HOME", ".config")
}

/// State that programs keep between runs: `XDG_STATE_HOME`, else `~/.local/state`.
#[must_use]
pub fn state_home() -> Option<PathBuf> {
    below_home("XDG_STATE_HOME", ".local/state")
}

/// Files that can be created again: `XDG_CACHE_HOME`, else `~/.cache`.
#[must_use]
pub fn cache_home() -> Option<PathBuf> {
    below_home("XDG_CACHE_HOME", ".cache")
}

fn below_home(variable: &str, folder: &str) -> Option<PathBuf> {
    env_path(variable).or_else(|| Some(home()?.join(folder)))
}

fn absolute(value: Option<OsString>) -> Option<PathBuf> {
    value.map(PathBuf::from).filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_and_relative_paths_count_as_unset() {
        for unset in ["", ".", "..", "x", "./x", "../x", "~/x", " /x"] {
            assert_eq!(absolute(Some(unset.into())), None, "{unset}");
        }
        assert_eq!(absolute(None), None);
        assert_eq!(absolute(Some("/x".into())), Some(PathBuf::from("/x")));
    }
}
