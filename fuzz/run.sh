#!/usr/bin/env bash
# Fuzzes what reads what strangers send, each target for so long.
#
#   fuzz/run.sh [SECONDS] [TARGET…]      10 seconds, every target
#
# Works with the stable compiler: the server has no unsafe code, so no sanitizer is needed. Begins with what fuzz/seeds.py
# makes, with fuzz/regressions/ and with what earlier runs found worth keeping (fuzz/corpus/). What breaks a promise is
# shown and kept in fuzz/artifacts/TARGET/: after the fix it belongs into fuzz/regressions/TARGET/, where `cargo test`
# replays it. Installs cargo-fuzz if it is missing. Sends nothing to any address but 127.0.0.1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
die() { printf 'fuzz: %s\n' "$*" >&2; exit 1; }

seconds=10
if [[ ${1:-} =~ ^[0-9]+$ ]]; then seconds=$1; shift; fi
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
mapfile -t all < <(sed -n 's|^path = "fuzz_targets/\(.*\)\.rs"|\1|p' fuzz/Cargo.toml)
(($#)) || set -- "${all[@]}"
for target; do
  [[ " ${all[*]} " == *" $target "* ]] || die "no target $target (there are: ${all[*]})"
done

command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
# cargo-fuzz would renew the lock file in silence.
cargo metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null
# Options that only the nightly compiler takes by itself; without a sanitizer they are harmless.
export RUSTC_BOOTSTRAP=1
cargo fuzz build --sanitizer none

seeds=$CARGO_TARGET_DIR/fuzz-seeds
rm -rf "$seeds"
python3 -B fuzz/seeds.py "$seeds"
printf '%-12s %12s %9s %8s\n' target executions per-second corpus
failed=()
for target; do
  mkdir -p "fuzz/corpus/$target" "fuzz/regressions/$target" "$seeds/$target"
  log=$CARGO_TARGET_DIR/fuzz-$target.log
  # A database of its own goes with its folder, also when a finding ends the process.
  work=$(mktemp -d "$CARGO_TARGET_DIR/fuzz-work.XXXXXX")
  if TMPDIR=$work cargo fuzz run --sanitizer none "$target" "fuzz/corpus/$target" "$seeds/$target" "fuzz/regressions/$target" -- \
    -max_total_time="$seconds" -dict="fuzz/dict/$target.dict" -max_len=8192 -timeout=30 -rss_limit_mb=2048 \
    -print_final_stats=1 >"$log" 2>&1; then
    awk -v target="$target" '
      /stat::number_of_executed_units/ { count = $2 }
      /stat::average_exec_per_sec/ { rate = $2 }
      / corp: / { for (i = 1; i < NF; i++) if ($i == "corp:") corpus = $(i + 1) }
      END { printf "%-12s %12s %9s %8s\n", target, count, rate, corpus }' "$log"
  else
    tail -n 40 "$log" >&2
    failed+=("$target")
  fi
  rm -rf "$work"
done
rmdir fuzz/regressions/* 2>/dev/null || true
((${#failed[@]} == 0)) || die "found something: ${failed[*]} (see above, and fuzz/artifacts/)"
