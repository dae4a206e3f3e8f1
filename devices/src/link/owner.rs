//! The user of a device: this run, on this host.

use std::path::Path;

use crate::board::Owner;

/// The identity of this run, for other users of a board.
pub(crate) fn this_run() -> Owner {
    let host = host_name();
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten();
    let user = user.map_or_else(|| "someone".to_owned(), |user| user.name);
    let words = format!("{user}@{host}, process {}", std::process::id());
    let random = std::fs::read(Path::new("/proc/sys/kernel/random/uuid")).unwrap_or_default();
    let token = format!("{}-{}", std::process::id(), String::from_utf8_lossy(&random).trim());
    Owner { token, words }
}

pub(super) fn host_name() -> String {
    nix::unistd::gethostname().map_or_else(|_| "a host".to_owned(), |h| h.to_string_lossy().into_owned())
}
