# Paths from environment variables; the other scripts source this file. An empty or relative path counts as unset, as
# the XDG base directory specification says: a relative path would lead into the current folder.

# Prints the path in a variable; fails if it is unset.
absolute() {
  case ${!1:-} in /*) printf '%s\n' "${!1}" ;; *) return 1 ;; esac
}

# The same for a variable of ours; warns if its value is ignored.
named() {
  absolute "$1" && return
  [ -z "${!1:-}" ] || echo "warning: $1=${!1} is ignored: it is not an absolute path" >&2
  return 1
}

# cache_folder NAME [VARIABLE]: the folder in our variable, else NAME in the user's cache.
cache_folder() {
  local home
  if [ -n "${2:-}" ] && named "$2"; then return; fi
  if ! home=$(absolute XDG_CACHE_HOME); then
    home=$(absolute HOME) || { echo "error: HOME must be an absolute path" >&2; return 1; }
    home=$home/.cache
  fi
  printf '%s\n' "$home/nasprof/$1"
}

# Creates a folder for temporary files.
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
