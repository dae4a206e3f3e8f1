//! Shell scripts that run on a board: POSIX shell with everything variable as arguments, never inside the text. The
//! first argument is the work folder from the device file.

/// Goes to the work folder; `$1` may begin with `~/`, and is relative to the home folder otherwise.
macro_rules! script {
    ($($line:expr),* $(,)?) => {
        concat!(
            "w=$1; case $w in '~') w=$HOME;; '~/'*) w=$HOME/${w#'~/'};; esac\n",
            "cd && mkdir -p -- \"$w\" && cd -- \"$w\" || exit 3\n",
            $($line, "\n"),*
        )
    };
}

/// Says what the board is: lines `key=value`.
pub(super) const SURVEY: &str = script!(
    "echo \"folder=$(pwd)\"",
    "echo \"machine=$(uname -m)\"",
    "echo \"bits=$(getconf LONG_BIT 2>/dev/null)\"",
    "set -- $(df -Pk . 2>/dev/null | tail -n 1)",
    "echo \"free=$4\"",
    "echo \"flock=$(command -v flock)\"",
);

/// Whether the file `$2` of ours is there with `$3` bytes and, where that can be computed, the SHA-256 `$4`: a board that lost its
/// power may have kept the name and not the bytes.
pub(super) const IS_THERE: &str = script!(
    "[ -x \"$2\" ] && [ \"$(wc -c < \"$2\")\" -eq \"$3\" ] || { echo absent; exit 0; }",
    "if command -v sha256sum >/dev/null; then",
    "  sum=$(sha256sum < \"$2\"); [ \"${sum%% *}\" = \"$4\" ] || { echo absent; exit 0; }",
    "fi",
    "touch -- \"$2\"",
    "echo present",
);

/// Takes `$3` bytes from the input as the file `$2`, which is named KIND-HASH. The name appears when all of them are there. Parts
/// that a dead upload left are removed, and all but the `$4` of the kind used last.
pub(super) const TAKE: &str = script!(
    "umask 077",
    "for old in *.part; do",
    "  pid=${old%.part}; pid=${pid##*.}; kill -0 \"$pid\" 2>/dev/null || rm -f -- \"$old\"",
    "done",
    "part=$2.$$.part",
    // A cut link must not end the shell before it has tidied up.
    "trap '' PIPE HUP; trap 'rm -f -- \"$part\"' EXIT",
    "cat > \"$part\" || exit 4",
    "[ \"$(wc -c < \"$part\")\" -eq \"$3\" ] || { echo 'the upload was cut off' >&2; exit 5; }",
    "chmod 700 \"$part\" && mv -f -- \"$part\" \"$2\" || exit 6",
    // The new one is kept whatever its time is: busybox sorts by whole seconds.
    "ls -t \"${2%%-*}\"-* | grep -v '[.]part$' | grep -Fvx -- \"$2\" | tail -n \"+$4\" |",
    "  while read -r old; do rm -f -- \"$old\"; done",
);

/// The path of agent `$2`: one of ours, or one that the device file names.
macro_rules! agent {
    () => {
        "agent=$2; case $agent in '~/'*) agent=$HOME/${agent#'~/'};; /*) ;; agent-*) agent=./$agent;; *) agent=$HOME/$agent;; esac"
    };
}

/// Asks agent `$2` with the argument `$3`.
pub(super) const ASK: &str = script!(agent!(), "exec \"$agent\" \"$3\" </dev/null");

/// Becomes the supervisor: agent `$2` with library path `$3` and ONNX Runtime from `$4`, then the claim, if any.
pub(super) const SUPERVISE: &str = script!(
    agent!(),
    "[ -z \"$3\" ] || export LD_LIBRARY_PATH=\"$3${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}\"",
    "[ -z \"$4\" ] || export NASPROF_ONNXRUNTIME=\"$4\"",
    "shift 4",
    "exec \"$agent\" supervise \"$@\"",
);
