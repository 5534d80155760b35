#!/usr/bin/env bash
# Measures Keystead on this machine. Nothing is sent to any address but 127.0.0.1, and nothing from outside 127.0.0.0/8.
#
#   bench/run.sh [--rows N] [--seconds S] [--rounds R] [--keep]    calls against a bare hyper server and argon2, latency,
#                                                                  memory, start; with N licenses (up to ten million)
#   bench/run.sh soak [--minutes M]                                mixed load of all formats for a long time, with a graph
#   bench/run.sh idle [COUNT]                                      what connections cost that say nothing (needs Python)
#
# Markdown on stdout, progress on stderr. KEYSTEAD_BIN measures that binary instead of building one.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
if [[ ${1:-} == idle ]]; then
  exec python3 "$here/idle.py" "${@:2}"
fi
die() { printf 'bench: %s\n' "$*" >&2; exit 1; }

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}
mkdir -p "$CARGO_TARGET_DIR"
CARGO_TARGET_DIR=$(cd "$CARGO_TARGET_DIR" && pwd)

if ! command -v wrk >/dev/null; then
  command -v apt-get >/dev/null && [[ $(id -u) == 0 ]] || die "wrk is missing; install it (Debian's package is called wrk)"
  echo "installing wrk" >&2
  apt-get install -y wrk >/dev/null 2>&1 || { apt-get update >/dev/null && apt-get install -y wrk >/dev/null; }
fi
# A thousand connections, twice.
(($(ulimit -n) >= 8192)) || ulimit -n 8192 || die "the limit of open files is too low: raise it (ulimit -n 8192)"

echo "building" >&2
keystead=${KEYSTEAD_BIN:-}
if [[ -z $keystead ]]; then
  (cd "$root" && cargo build --quiet --release --locked)
  keystead=$CARGO_TARGET_DIR/release/keystead
fi
(cd "$here" && cargo build --quiet --release --locked)

case ${1:-} in
  figures|soak|-h|--help|help) ;;
  *) set -- figures "$@" ;;
esac
# Beside the build, not in /tmp: that may be memory, where a durable commit costs nothing.
exec "$CARGO_TARGET_DIR/release/bench" --root "$root" --keystead "$keystead" --data "$CARGO_TARGET_DIR/bench-data" "$@"
