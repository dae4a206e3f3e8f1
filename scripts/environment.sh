# Paths that the environment names, for the other scripts to source. One that is empty or relative counts as unset, as the XDG
# base directory specification says: a relative one would lead into the current folder.

# Prints the path in a variable; fails where that is unset.
absolute() {
  case ${!1:-} in /*) printf '%s\n' "${!1}" ;; *) return 1 ;; esac
}

# The same for a variable of ours: one that is ignored is not ignored silently.
named() {
  absolute "$1" && return
  [ -z "${!1:-}" ] || echo "warning: $1=${!1} is ignored: it is not an absolute path" >&2
  return 1
}

# cache_folder NAME [VARIABLE]: the folder that our variable names, else NAME in the user's cache.
cache_folder() {
  local home
  if [ -n "${2:-}" ] && named "$2"; then return; fi
  if ! home=$(absolute XDG_CACHE_HOME); then
    home=$(absolute HOME) || { echo "error: HOME names no folder: it must be an absolute path" >&2; return 1; }
    home=$home/.cache
  fi
  printf '%s\n' "$home/nasprof/$1"
}

# A new folder for what is removed at the end.
temporary_folder() {
  mktemp -d "$(absolute TMPDIR || echo /tmp)/nasprof.XXXXXX"
}

# Where rustup puts cargo.
cargo_home() {
  local home
  absolute CARGO_HOME && return
  home=$(absolute HOME) || return
  printf '%s\n' "$home/.cargo"
}
