//! Shell scripts that run on a board, in POSIX shell. All variable values are arguments, never part of the script's text.
//! The first argument is the work folder from the device file.

/// Changes to the work folder `$1`, which is relative to the home folder and may begin with `~/`.
macro_rules! script {
    ($($line:expr),* $(,)?) => {
        concat!(
            "w=$1; case $w in '~') w=$HOME;; '~/'*) w=$HOME/${w#'~/'};; esac\n",
            "cd && mkdir -p -- \"$w\" && cd -- \"$w\" || exit 3\n",
            $($line, "\n"),*
        )
    };
}

/// Describes the board in lines `key=value`.
pub(super) const SURVEY: &str = script!(
    "echo \"folder=$(pwd)\"",
    "echo \"machine=$(uname -m)\"",
    "echo \"bits=$(getconf LONG_BIT 2>/dev/null)\"",
    "set -- $(df -Pk . 2>/dev/null | tail -n 1)",
    "echo \"free=$4\"",
    "echo \"flock=$(command -v flock)\"",
);

/// Prints `present` if our file `$2` exists with `$3` bytes and, if the board can compute it, the SHA-256 `$4`; else
/// `absent`. After a power failure the file may have its name but not its content.
pub(super) const IS_THERE: &str = script!(
    "[ -x \"$2\" ] && [ \"$(wc -c < \"$2\")\" -eq \"$3\" ] || { echo absent; exit 0; }",
    "if command -v sha256sum >/dev/null; then",
    "  sum=$(sha256sum < \"$2\"); [ \"${sum%% *}\" = \"$4\" ] || { echo absent; exit 0; }",
    "fi",
    "touch -- \"$2\"",
    "echo present",
);

/// Writes `$3` bytes of the input to the file `$2`, named KIND-HASH. The name appears only when the file is complete.
/// Removes parts of dead uploads, and all files of the kind but the `$4` used last.
pub(super) const TAKE: &str = script!(
    "umask 077",
    "for old in *.part; do",
    "  pid=${old%.part}; pid=${pid##*.}; kill -0 \"$pid\" 2>/dev/null || rm -f -- \"$old\"",
    "done",
    "part=$2.$$.part",
    // A cut link must not end the shell before it has cleaned up.
    "trap '' PIPE HUP; trap 'rm -f -- \"$part\"' EXIT",
    "cat > \"$part\" || exit 4",
    "[ \"$(wc -c < \"$part\")\" -eq \"$3\" ] || { echo 'the upload was cut off' >&2; exit 5; }",
    "chmod 700 \"$part\" && mv -f -- \"$part\" \"$2\" || exit 6",
    // The new file is kept whatever its time is, because busybox sorts by whole seconds.
    "ls -t \"${2%%-*}\"-* | grep -v '[.]part$' | grep -Fvx -- \"$2\" | tail -n \"+$4\" |",
    "  while read -r old; do rm -f -- \"$old\"; done",
);

/// The path of agent `$2`: an uploaded one, or one that the device file names.
macro_rules! agent {
    () => {
        "agent=$2; case $agent in '~/'*) agent=$HOME/${agent#'~/'};; /*) ;; agent-*) agent=./$agent;; *) agent=$HOME/$agent;; esac"
    };
}

/// Runs agent `$2` with the argument `$3`.
pub(super) const ASK: &str = script!(agent!(), "exec \"$agent\" \"$3\" </dev/null");

/// Becomes the supervisor: agent `$2` with library path `$3` and ONNX Runtime `$4`; the other arguments are the claim, if
/// any.
pub(super) const SUPERVISE: &str = script!(
    agent!(),
    "[ -z \"$3\" ] || export LD_LIBRARY_PATH=\"$3${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}\"",
    "[ -z \"$4\" ] || export NASPROF_ONNXRUNTIME=\"$4\"",
    "shift 4",
    "exec \"$agent\" supervise \"$@\"",
);

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::path::Path;
    use std::process::{Output, Stdio};
    use std::time::{Duration, SystemTime};

    use nasprof_testkit::shells::Shell;

    use super::*;

    fn run(shell: &Shell, home: &Path, script: &str, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = shell
            .command()
            .args(["-c", script, "sh"])
            .args(arguments)
            .env("HOME", home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap()
    }

    /// In work folders whose names a shell could misunderstand.
    #[test]
    fn an_upload_is_whole_or_not_there() {
        Shell::all().iter().for_each(upload_by);
    }

    fn upload_by(shell: &Shell) {
        for folder in ["plain", "a b/c", "$(touch x)", "; touch x", "-n", "~/it's", "*"] {
            let home = tempfile::tempdir().unwrap();
            let take = |size: &str, bytes: &[u8]| run(shell, home.path(), TAKE, &[folder, "agent-0", size, "4"], bytes);
            let there = |hash: &str| {
                let output = run(shell, home.path(), IS_THERE, &[folder, "agent-0", "3", hash], b"");
                String::from_utf8(output.stdout).unwrap()
            };
            // SHA-256 of `abc`: FIPS 180-2, appendix B.1.
            let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
            assert_eq!(take("3", b"ab").status.code(), Some(5), "{folder}");
            assert_eq!(there(abc), "absent\n");
            assert!(take("3", b"abc").status.success());
            assert_eq!(there(abc), "present\n");
            assert_eq!(there(&abc.replace('b', "c")), "absent\n");
            let work = home.path().join(folder.trim_start_matches("~/"));
            let names: Vec<_> = fs::read_dir(&work).unwrap().map(|e| e.unwrap().file_name()).collect();
            assert_eq!(names, ["agent-0"], "{folder}");
            assert!(!work.join("x").exists() && !home.path().join("x").exists(), "{folder}");
        }
    }

    /// Of each kind so many stay as are asked for, and no other kind is touched.
    #[test]
    fn old_parts_and_old_agents_are_removed() {
        Shell::all().iter().for_each(removed_by);
    }

    fn removed_by(shell: &Shell) {
        let home = tempfile::tempdir().unwrap();
        let work = home.path().join("w");
        fs::create_dir(&work).unwrap();
        // No process has that number.
        fs::write(work.join("agent-9.99999999.part"), "x").unwrap();
        let own = format!("agent-8.{}.part", std::process::id());
        fs::write(work.join(&own), "x").unwrap();
        for (kind, count, kept) in [("agent", 7, "4"), ("onnxruntime", 3, "2")] {
            for i in 0..count {
                let name = format!("{kind}-{i}");
                let taken = run(shell, home.path(), TAKE, &["w", &name, "1", kept], b"x");
                assert!(taken.status.success(), "{}", shell.name);
                // A minute apart, and before the next one.
                let time = SystemTime::now() - Duration::from_secs(60 * (10 - i));
                fs::File::options().write(true).open(work.join(&name)).unwrap().set_modified(time).unwrap();
            }
        }
        assert!(!work.join("agent-9.99999999.part").exists());
        assert!(work.join("agent-6").exists() && work.join("onnxruntime-2").exists());
        let of = |kind: &str| {
            let names = fs::read_dir(&work).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
            names.filter(|name| name.starts_with(kind) && !name.ends_with(".part")).count()
        };
        assert_eq!((of("agent-"), of("onnxruntime-")), (4, 2), "{}", shell.name);
        assert!(!work.join("agent-2").exists() && work.join("agent-3").exists(), "{}", shell.name);
    }

    #[test]
    fn a_survey_says_folder_machine_and_room() {
        for shell in &Shell::all() {
            let home = tempfile::tempdir().unwrap();
            let text = String::from_utf8(run(shell, home.path(), SURVEY, &["a b"], b"").stdout).unwrap();
            for expected in ["/a b\n", "machine=", "free=", "flock="] {
                assert!(text.contains(expected), "{}: {text}", shell.name);
            }
            fs::write(home.path().join("file"), "").unwrap();
            assert_eq!(run(shell, home.path(), SURVEY, &["file"], b"").status.code(), Some(3));
        }
    }

    /// The agent of ours is named by its file in the work folder, any other by a path from the account's home.
    #[test]
    fn an_agent_is_asked_wherever_it_is() {
        use std::os::unix::fs::PermissionsExt;
        for shell in &Shell::all() {
            let home = tempfile::tempdir().unwrap();
            for agent in ["w/agent-0", "own"] {
                let path = home.path().join(agent);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, format!("#!/bin/sh\necho \"{agent} $*\"; exit 3\n")).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            }
            for (agent, expected) in [("agent-0", "w/agent-0 a b\n"), ("own", "own a b\n"), ("~/own", "own a b\n")] {
                let asked = run(shell, home.path(), ASK, &["w", agent, "a b"], b"");
                assert_eq!(asked.status.code(), Some(3), "{}", shell.name);
                assert_eq!(String::from_utf8(asked.stdout).unwrap(), expected, "{}", shell.name);
            }
        }
    }
}
