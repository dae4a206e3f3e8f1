//! The other programs of nasprof: installed beside this one, or named by environment variables.

use std::path::PathBuf;

use nasprof_base::env_path::env_path;
use nasprof_devices::Programs;

use crate::terminal::status;

/// Agents are installed beside this program; NASPROF_AGENT and NASPROF_AGENT_TORCH name others for this machine's
/// architecture.
pub(crate) fn programs() -> Programs {
    let folder = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.to_owned())).unwrap_or_default();
    Programs { folder, agent: named_program("NASPROF_AGENT"), agent_torch: named_program("NASPROF_AGENT_TORCH") }
}

/// The program that an environment variable of nasprof names. A path that is ignored gets a warning.
fn named_program(variable: &str) -> Option<PathBuf> {
    let path = env_path(variable);
    if let (None, Some(ignored)) = (&path, std::env::var_os(variable).filter(|value| !value.is_empty())) {
        let ignored = ignored.to_string_lossy().escape_debug().to_string();
        status(format!(
            "warning: {variable}={ignored} is ignored: it is not an absolute path, so it depends on the current folder"
        ));
    }
    path
}

/// The program that trains is installed beside this one; NASPROF_SEARCH names another.
pub(crate) fn search_program() -> PathBuf {
    named_program("NASPROF_SEARCH").unwrap_or_else(|| programs().folder.join("nasprof-search"))
}

/// The program that answers SQL is installed beside this one, if it was built; NASPROF_QUERY names another.
pub(crate) fn query_program() -> PathBuf {
    named_program("NASPROF_QUERY").unwrap_or_else(|| programs().folder.join("nasprof-query"))
}
