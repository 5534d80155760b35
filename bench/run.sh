#!/usr/bin/env bash
# Measures Keystead against a bare hyper server and against argon2 alone, on this machine, in one run.
#
#   bench/run.sh [--seconds S] [--rounds R] [--threads T]
#
# S: length of each measurement (10). R: rounds, of which each row shows the median (3). T: threads of wrk (2).
# KEYSTEAD_BIN measures that binary instead of building one. Nothing is sent to any address but 127.0.0.1.
set -euo pipefail

readonly CONNECTIONS=64
seconds=10 rounds=3 threads=2
die() { printf 'bench: %s\n' "$*" >&2; exit 1; }
while (($#)); do
  case $1 in
    --seconds|--rounds|--threads)
      [[ ${2:-} =~ ^[1-9][0-9]{0,2}$ ]] || die "$1 takes a number from 1 to 999"
      printf -v "${1#--}" %s "$2"; shift 2 ;;
    -h|--help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    *) die "unknown argument $1 (see --help)" ;;
  esac
done

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}
mkdir -p "$CARGO_TARGET_DIR"
CARGO_TARGET_DIR=$(cd "$CARGO_TARGET_DIR" && pwd)
# A setting of the caller's own shell must not decide a figure.
keystead=${KEYSTEAD_BIN:-}
unset "${!KEYSTEAD_@}"

if ! command -v wrk >/dev/null; then
  command -v apt-get >/dev/null && [[ $(id -u) == 0 ]] || die "wrk is missing; install it (Debian's package is called wrk)"
  echo "installing wrk" >&2
  apt-get install -y wrk >/dev/null 2>&1 || { apt-get update >/dev/null && apt-get install -y wrk >/dev/null; }
fi

echo "building" >&2
if [[ -z $keystead ]]; then
  (cd "$root" && cargo build --quiet --release --locked)
  keystead=$CARGO_TARGET_DIR/release/keystead
fi
(cd "$here" && cargo build --quiet --release --locked)
bare=$CARGO_TARGET_DIR/release/bare
argon2=$CARGO_TARGET_DIR/release/argon2
load=$CARGO_TARGET_DIR/release/load

# Beside the build, not in /tmp: that may be memory, where a durable commit costs nothing.
mkdir -p "$CARGO_TARGET_DIR/bench-data"
data=$(mktemp -d "$CARGO_TARGET_DIR/bench-data/run.XXXXXX")

server='' watcher=''
stop_server() {
  [[ -n $server ]] || return 0
  kill -TERM "$server" 2>/dev/null || true
  # Draining may take its time, but not for ever.
  for _ in {1..100}; do kill -0 "$server" 2>/dev/null || break; sleep 0.1; done
  kill -KILL "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  server=''
}
clean_up() {
  [[ -z $watcher ]] || kill "$watcher" 2>/dev/null || true
  stop_server
  rm -rf "$data"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# start COMMAND…: runs a server with its log in $data/log and sets `address`.
start() {
  : >"$data/log"
  # Appending, so that cutting the file short between measurements works.
  "$@" </dev/null >/dev/null 2>>"$data/log" &
  server=$!
  for _ in {1..300}; do
    address=$(sed -n 's|.*listening on http://\([0-9.:]*\).*|\1|p' "$data/log" | head -n 1)
    [[ -z $address ]] || return 0
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
  tail -n 20 "$data/log" >&2
  die "$1 did not start"
}

start_keystead() { start env KEYSTEAD_RATE_LIMIT=off "$keystead" serve --database "$data/bench.db" --listen 127.0.0.1:0; }

# measure ROW FILE [count]: one measurement of the running server, added to $data/results.
measure() {
  local row=$1 file=$2 count=${3:-} out line
  if [[ $row != bare && -z $count ]]; then
    "$load" watch "$address" "$file" $((seconds * 10)) 100 2>"$data/watch" &
    watcher=$!
  fi
  out=$(wrk -t"$threads" -c"$CONNECTIONS" -d"${seconds}s" --timeout 10s -s "$here/post.lua" \
    "http://$address/api/1.2/" -- "$file" $count)
  if [[ -n $watcher ]]; then
    wait "$watcher" || { cat "$data/watch" >&2; die "$row: the server refused while it was measured"; }
    watcher=''
  fi
  line=$(sed -n 's/^RESULT //p' <<<"$out")
  [[ -n $line ]] || { printf '%s\n' "$out" >&2; die "$row: wrk printed no result"; }
  local rate good errors p50 p99
  read -r rate good errors p50 p99 <<<"$line"
  ((errors == 0)) || { printf '%s\n' "$out" >&2; die "$row: $errors requests failed"; }
  # Where answers are counted, only successes are a figure: "busy" is quick to say.
  [[ -z $count ]] || rate=$good
  printf '%s %s %s %s\n' "$row" "$rate" "$p50" "$p99" >>"$data/results"
  printf '  %-8s %12s/s\n' "$row" "$rate" >&2
  : >"$data/log"
}

cores=$(nproc)
echo "making data" >&2
"$keystead" app create bench --database "$data/bench.db" --json >"$data/app.json"
"$keystead" var set motd "welcome back" --app bench --database "$data/bench.db" >/dev/null
"$keystead" license create --app bench --count 320 --duration 30d --level 1 --json --database "$data/bench.db" >"$data/keys.json"
start_keystead
"$load" make "$address" "$data"
stop_server

for ((round = 1; round <= rounds; round++)); do
  echo "round $round of $rounds" >&2
  start "$bare"
  measure bare "$data/check"
  stop_server
  start_keystead
  measure check "$data/check"
  measure var "$data/var"
  measure license "$data/license"
  measure login "$data/login" count
  # Last: the sessions it makes by the ten thousand are nothing that the other rows should carry.
  measure init "$data/init"
  stop_server
  for n in 1 "$cores"; do
    rate=$("$argon2" "$n" "$seconds")
    printf 'argon2x%s %s 0 0\n' "$n" "$rate" >>"$data/results"
    printf '  %-8s %12s/s\n' "argon2x$n" "$rate" >&2
    ((cores > 1)) || break
  done
done

# median ROW COLUMN (2 requests/s, 3 p50, 4 p99)
median() {
  awk -v row="$1" -v col="$2" '$1 == row { print $col }' "$data/results" | sort -g |
    awk '{ v[NR] = $1 } END { m = int((NR + 1) / 2); print (NR % 2) ? v[m] : (v[m] + v[m + 1]) / 2 }'
}

commit=$(git -C "$root" rev-parse --short HEAD 2>/dev/null || echo unknown)
[[ -z $(git -C "$root" status --porcelain 2>/dev/null) ]] || commit+=" with changes"
cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
# The newest hyper in a lock file; nothing where there is no such file.
version() { [[ ! -f $1 ]] || sed -n '/^name = "hyper"$/{n;s/version = "\(.*\)"/\1/p}' "$1" | tail -n 1; }
filesystem=$(stat -f -c %T "$data")

echo
echo "Keystead benchmark, $(date -u +%Y-%m-%dT%H:%MZ)"
echo "commit:   $commit"
echo "machine:  ${cpu:-unknown CPU}, $cores cores, $(uname -sr)"
echo "load:     wrk -t$threads -c$CONNECTIONS on the same machine, ${seconds}s each, median of $rounds rounds, rounds interleaved"
echo "server:   KEYSTEAD_RATE_LIMIT=off, request log to a file, database on $filesystem"
[[ $filesystem != tmpfs ]] || echo "          (memory: the durable rows are not durable here)"
bare_hyper=$(version "$here/Cargo.lock") our_hyper=$(version "$root/Cargo.lock")
[[ $bare_hyper == "$our_hyper" ]] || echo "          (bare has hyper $bare_hyper, Keystead has ${our_hyper:-an unknown version})"
echo
one=$(median argon2x1 2) all=$(median "argon2x$cores" 2) bare_rate=$(median bare 2)
ceiling=$(awk -v n="$cores" -v r="$one" 'BEGIN { print n * r }')
row() { # NAME AGAINST GOAL
  awk -v name="$1" -v rate="$(median "$1" 2)" -v p50="$(median "$1" 3)" -v p99="$(median "$1" 4)" -v against="$2" -v goal="$3" \
    'BEGIN { printf "%-24s %12.1f %9.3f %7s %9.2f %9.2f\n", name, rate, rate / against, goal, p50 / 1000, p99 / 1000 }'
}
printf '%-24s %12s %9s %7s %9s %9s\n' call requests/s ratio goal 'p50 ms' 'p99 ms'
row bare "$bare_rate" ''
row check "$bare_rate" 0.75
row var "$bare_rate" 0.60
row init "$bare_rate" 0.25
row license "$bare_rate" 0.15
row login "$ceiling" 0.95
printf '%-24s %12.1f\n' 'argon2, one thread' "$one"
printf '%-24s %12.1f %9.3f\n' "argon2, $cores threads" "$all" "$(awk -v a="$all" -v c="$ceiling" 'BEGIN { print a / c }')"
echo
echo "ratio: to bare; login and argon2 to $cores × argon2 on one thread. license: second use of a key. login: successes only."
