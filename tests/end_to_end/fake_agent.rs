//! Agents that misbehave: the real one with a shell between it and the program.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::harness::Folder;

/// An agent that is the real one until a measurement has begun and it has given so many replies: then it is silent for ever,
/// and says so by a file with its number. `filter` is what a shell does to each reply, as `| sed …`, or nothing.
pub(crate) fn agent(folder: &Folder, replies: usize, filter: &str) -> PathBuf {
    let path = folder.path("fake-agent");
    let real = folder.agent.display();
    // The shell that answers is the child that nasprof knows; the real agent ends with it.
    let text = format!(
        "#!/bin/sh\n\
         [ -e a.journal.jsonl ] || exec '{real}'\n\
         silent() {{ echo $$ > silent.part; mv silent.part silent; exec sleep 100000; }}\n\
         mkfifo pipe.$$\nexec 4<&0\n'{real}' <&4 4<&- >pipe.$$ &\nexec 3<pipe.$$ 4<&-; rm -f pipe.$$\nn=0\n\
         [ {replies} -gt 0 ] || silent\n\
         while read -r line <&3; do\n\
         printf '%s\\n' \"$line\" {filter}; n=$((n+1)); [ $n -lt {replies} ] || silent\n\
         done\n"
    );
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// The real agent with its replies edited by `sed`.
pub(crate) fn edited(folder: &Folder, edit: &str) -> PathBuf {
    let path = folder.path("edited-agent");
    fs::write(&path, format!("#!/bin/sh\n'{}' | sed -u '{edit}'\n", folder.agent.display())).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// The real agent, whose connection ends after so many replies.
pub(crate) fn ending(folder: &Folder, replies: usize) -> PathBuf {
    let path = folder.path("ending-agent");
    // The real one would wait for its next request, and the shell for the real one.
    let text = format!("#!/bin/sh\n'{}' | {{ sed -u {replies}q; kill -KILL $$; }}\n", folder.agent.display());
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}
