//! The shell script that runs a device's command, on a board and on this machine, in POSIX shell. All variable values are
//! arguments, never part of the script's text.
//!
//! Arguments: the folder to create for this measurement; the model's file name in it; the model's size in bytes, which the
//! script reads from its input (0: the model is an existing file); the number of runs; the deadline in seconds; the maximum
//! bytes of the output and of a file; a lock file (empty: none); the claimant of the lock; then the command, word by word.
//!
//! Each run writes a line `nasprof-run STATUS LATE PRINTED PROFILE TIMES`. The last three words are the sizes of the output,
//! of the profile and of the times, whose bytes follow. `-` means a missing file and `+` several files; the bytes of a file
//! that is too large do not follow. A dot a second on stderr is a heartbeat, and shows the script whether anybody still
//! listens. Whatever ends the script, the command ends with it and the folder is removed.

/// Exit code: the folder cannot be created.
pub(super) const NO_FOLDER: i32 = 3;
/// Exit code: the program does not exist.
pub(super) const NO_PROGRAM: i32 = 4;
/// Exit code: the model did not arrive completely.
pub(super) const CUT: i32 = 5;
/// Exit code: another measurement has the lock; the output is the content of the lock file.
pub(super) const BUSY: i32 = 7;

/// Maximum bytes of a command's output.
pub(super) const MAX_PRINTED: u64 = 16 << 20;
/// Maximum bytes of a file that it writes.
pub(super) const MAX_FILE: u64 = 512 << 20;

/// First word of the line before a run's output.
pub(super) const MARK: &str = "nasprof-run";

pub(super) const RUN: &str = r#"
s=$1 model=$2 size=$3 count=$4 limit=$5 printed=$6 most=$7 lock=$8 owner=$9
shift 9
umask 077
pid= watch= status=0
over() {
  [ -z "$pid" ] || kill -KILL "-$pid" 2>/dev/null || kill -KILL "$pid" 2>/dev/null
  [ -z "$watch" ] || kill -KILL "$watch" 2>/dev/null
  cd / && rm -rf -- "$s"
}
# Waits for job $1, for $2 seconds at most and as long as somebody listens.
guard() {
  ( trap : PIPE
    n=0
    while sleep 1 </dev/null 2>/dev/null; do
      n=$((n + 1))
      printf . >&2 || { kill -TERM $$; exit; }
      [ "$n" -lt "$2" ] || { : > "$s/late"; kill -KILL "-$1" || kill -KILL "$1"; exit; } 2>/dev/null
    done ) >/dev/null 3<&- 9>&- &
  watch=$!
  wait "$1"
  status=$?
  # Not by a signal with a trap: a shell that was just forked may still have that of this one, and would tidy up.
  kill -KILL "$watch" 2>/dev/null
  wait "$watch" 2>/dev/null
  watch=
}
bytes() { echo $(($(wc -c < "$1"))); }
# The file that begins with $1, as $found: programs add to the names that they are given.
find_one() {
  found=$1
  [ -f "$1" ] || { set -- "$1"*; found=$1; }
  if [ ! -f "$found" ]; then length=-; elif [ $# -gt 1 ]; then length=+; else length=$(bytes "$found"); fi
}
give() { case $2 in -|+) ;; *) [ "$2" -gt "$most" ] || head -c "$2" < "$1";; esac; }

if [ -n "$lock" ] && command -v flock >/dev/null; then
  [ ! -h "$lock" ] && exec 9>>"$lock" || exit 3
  flock -n 9 || { head -c 4096 < "$lock"; exit 7; }
  printf '%s' "$owner" > "$lock"
fi
command -v "$1" >/dev/null || exit 4
mkdir -- "$s" || exit 3
trap over EXIT
trap 'exit 9' HUP INT TERM PIPE
if [ "$size" -gt 0 ]; then
  exec 3<&0
  cat <&3 > "$s/$model" & pid=$!
  guard "$pid" "$limit"
  pid=
  [ "$status" -eq 0 ] && [ "$(bytes "$s/$model")" -eq "$size" ] || exit 5
  exec 3<&-
fi
apart=
command -v setsid >/dev/null && apart=setsid
i=0
while [ "$i" -lt "$count" ]; do
  i=$((i + 1))
  cd "$s" && rm -rf run late printed && mkdir run && mkfifo said && cd run || exit 3
  head -c "$printed" < "$s/said" > "$s/printed" & reader=$!
  # Temporary files of the program go with the folder.
  TMPDIR=$s/run $apart "$@" > "$s/said" 2>&1 </dev/null 9>&- & pid=$!
  guard "$pid" "$limit"
  ended=$status late=0
  [ ! -e "$s/late" ] || late=1
  # What it has left running would hold the folder, and disturb the next run.
  kill -KILL "-$pid" 2>/dev/null
  pid=$reader
  guard "$pid" 5
  pid=
  rm -f -- "$s/said"
  length=$(bytes "$s/printed") all=$length
  find_one "$s/run/profile"; profile=$found profile_bytes=$length
  find_one "$s/run/times"; times=$found times_bytes=$length
  printf 'nasprof-run %s %s %s %s %s\n' "$ended" "$late" "$all" "$profile_bytes" "$times_bytes"
  give "$s/printed" "$all"
  give "$profile" "$profile_bytes"
  give "$times" "$times_bytes"
done
"#;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::path::Path;
    use std::process::{Command, Output, Stdio};

    use nasprof_testkit::shells::Shell;

    use super::*;

    /// The script in a folder, `command` as its words; `input` is the model.
    fn run(shell: &Shell, folder: &Path, input: &[u8], count: u32, limit: u32, command: &[&str]) -> Output {
        let scratch = folder.join("scratch");
        let numbers = [input.len().to_string(), count.to_string(), limit.to_string()];
        let mut child = shell
            .command()
            .args(["-c", RUN, "sh", scratch.to_str().unwrap(), "model.onnx"])
            .args(&numbers)
            .args(["100000", "1000000", "", "me"])
            .args(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A script that gives up at once does not read it.
        let _ = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        assert!(!scratch.exists(), "{}: {command:?} left {}", shell.name, scratch.display());
        output
    }

    /// One run of the script with limits of a few bytes and nothing to read; `lock` is the lock's file and who wants it.
    fn small(shell: &Shell, scratch: &Path, size: &str, lock: [&str; 2], command: &[&str]) -> Command {
        let mut shell = shell.command();
        shell.args(["-c", RUN, "sh", scratch.to_str().unwrap(), "m", size, "1", "20", "9", "9"]).args(lock);
        shell.args(command).stdin(Stdio::null());
        shell
    }

    fn said(output: &Output) -> String {
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    #[test]
    fn outputs_are_handed_over_and_nothing_is_left() {
        for shell in &Shell::all() {
            let folder = tempfile::tempdir().unwrap();
            let program = "touch $TMPDIR/temporary; echo hello; cat ../model.onnx > profile_1.json; printf 42 > times; touch other; echo x >&2";
            let output = run(shell, folder.path(), b"the model", 2, 20, &["sh", "-c", program]);
            let one = "nasprof-run 0 0 8 9 2\nhello\nx\nthe model42";
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(said(&output), format!("{one}{one}"), "{}: {errors}", shell.name);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
            // Words are words.
            let hostile = ["printf", "%s|", "; touch x", "$(touch x)", "a  b", "*", "'", ""];
            let output = run(shell, folder.path(), b"m", 1, 20, &hostile);
            assert!(said(&output).ends_with("\n; touch x|$(touch x)|a  b|*|'||"), "{}", said(&output));
            assert!(!folder.path().join("x").exists());
        }
    }

    #[test]
    fn failures_are_told_apart() {
        for shell in &Shell::all() {
            let folder = tempfile::tempdir().unwrap();
            let run = |input: &[u8], limit, command: &[&str]| run(shell, folder.path(), input, 1, limit, command);
            assert!(said(&run(b"m", 20, &["sh", "-c", "exit 3"])).starts_with("nasprof-run 3 0 0 - -\n"));
            assert_eq!(run(b"m", 20, &["no-such-program"]).status.code(), Some(NO_PROGRAM));
            // What hangs is killed, with all that it has started.
            let mark = folder.path().join("late");
            let hanging = format!("(sleep 3; touch {}) & sleep 60", mark.display());
            let output = run(b"m", 1, &["sh", "-c", &hanging]);
            assert!(said(&output).starts_with("nasprof-run 137 1 0 - -\n"), "{}", said(&output));
            std::thread::sleep(std::time::Duration::from_secs(3));
            assert!(!mark.exists());
            // What never stops printing does not fill the disk.
            let output = run(b"m", 20, &["sh", "-c", "while echo 0123456789; do :; done"]);
            let line = said(&output).lines().next().unwrap().to_owned();
            assert!(line.contains(" 0 100000 - -"), "{line}");
            // Several profiles, and one that is too large.
            assert!(said(&run(b"m", 20, &["touch", "profile_1", "profile_2"])).contains(" 0 0 0 + -"));
            let output = run(b"m", 20, &["sh", "-c", "head -c 1000001 /dev/zero > profile; printf 7 > times"]);
            assert_eq!(said(&output), "nasprof-run 0 0 0 1000001 1\n7");
        }
    }

    /// The control: with somebody who listens the same command runs to its end.
    #[test]
    fn a_command_ends_when_nobody_listens() {
        for shell in &Shell::all() {
            let folder = tempfile::tempdir().unwrap();
            let mark = folder.path().join("mark");
            let command = format!("sleep 4; touch {}", mark.display());
            let output = run(shell, folder.path(), b"m", 1, 20, &["sh", "-c", &command]);
            assert!(output.status.success() && mark.exists(), "{}", shell.name);
            fs::remove_file(&mark).unwrap();

            let scratch = folder.path().join("scratch");
            let mut child = small(shell, &scratch, "0", ["", ""], &["sh", "-c", &command])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            drop((child.stdout.take(), child.stderr.take()));
            assert!(!child.wait().unwrap().success(), "{}", shell.name);
            assert!(!scratch.exists(), "{}", shell.name);
            std::thread::sleep(std::time::Duration::from_secs(4));
            assert!(!mark.exists(), "{}", shell.name);
        }
    }

    #[test]
    fn a_model_that_is_cut_and_a_lock_that_is_held_are_told() {
        for shell in &Shell::all() {
            let folder = tempfile::tempdir().unwrap();
            let scratch = folder.path().join("scratch");
            let lock = folder.path().join("lock");
            let owner = "{\"owner\":\"me\"}";
            let run = |size: &str, lock: &str| small(shell, &scratch, size, [lock, owner], &["true"]).output().unwrap();
            assert_eq!(run("7", "").status.code(), Some(CUT), "{}", shell.name);
            assert!(!scratch.exists());
            let path = lock.to_str().unwrap();
            assert!(run("0", path).status.success(), "{}", shell.name);
            // A board whose busybox has no flock holds no lock.
            if fs::read(&lock).is_ok() {
                let held = fs::File::open(&lock).unwrap();
                held.lock().unwrap();
                let refused = run("0", path);
                assert_eq!((refused.status.code(), said(&refused).as_str()), (Some(BUSY), owner), "{}", shell.name);
                drop(held);
            }
            assert!(run("0", path).status.success());
            // A folder that is there is not ours.
            fs::create_dir(&scratch).unwrap();
            assert_eq!(run("0", "").status.code(), Some(NO_FOLDER), "{}", shell.name);
            assert!(scratch.exists());
        }
    }
}
