#!/usr/bin/env bash
# All the tests, on a machine with a Rust toolchain and nothing else of ours.
#
#   scripts/test.sh            everything that this machine can run
#   scripts/test.sh --quick    formatting, lints, unit, tool and golden tests only
#
# What is absent (python3, go, a package client) is skipped with a line `skipped: …` and counted. The last line counts.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
. scripts/lib.sh

quick=false
case "${1:-}" in
  '') ;;
  --quick) quick=true ;;
  *) die 2 "usage: scripts/test.sh [--quick]" ;;
esac
need cargo "a Rust toolchain (rustup, or your system's packages)"

log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT
passed=0 failed=0 skipped=0
failures=()

# step NAME COMMAND…: runs it, shows its output, counts it. Exit 77 is a skip that has said why.
step() {
  local name=$1 out code=0 start=$SECONDS
  shift
  out=$log/$((passed + failed + skipped)).log
  say "$name"
  "$@" 2>&1 | tee "$out"
  code=${PIPESTATUS[0]}
  local tests bad
  # cargo's own closing lines, one per test binary.
  tests=$(awk '/^test result: / { for (i = 1; i < NF; i++) if ($(i + 1) == "passed;") n += $i } END { print n + 0 }' "$out")
  bad=$(awk '/^test result: / { for (i = 1; i < NF; i++) if ($(i + 1) == "failed;") n += $i } END { print n + 0 }' "$out")
  skipped=$((skipped + $(grep -c '^skipped: ' "$out")))
  case $code in
    0) passed=$((passed + (tests > 0 ? tests : 1))) ;;
    77) grep -q '^skipped: ' "$out" || skipped=$((skipped + 1)) ;;
    *)
      passed=$((passed + tests))
      failed=$((failed + (bad > 0 ? bad : 1)))
      failures+=("$name (exit $code)")
      ;;
  esac
  say "$name: exit $code after $((SECONDS - start)) s"
}

component() { # NAME COMMAND…: a cargo component that a minimal toolchain lacks
  if cargo "$1" --version >/dev/null 2>&1; then step "$2" "${@:3}"; else skip "$2: cargo $1 is not installed"; skipped=$((skipped + 1)); fi
}

component fmt "formatting" cargo fmt --all --check
# Tests may panic, that is how they fail; what a user runs may not.
component clippy "lints" cargo clippy --workspace --lib --bins --quiet -- -D warnings
component clippy "lints of the tests" cargo clippy --workspace --all-targets --quiet -- -D warnings -A clippy::unwrap_used -A clippy::expect_used
step "build" cargo build --workspace
# Many tests wait for servers that are slow on purpose: the release build takes what they leave of the processor. The step
# "release build" waits for it, and shows what went wrong.
$quick || nice -n 19 cargo build --workspace --release >/dev/null 2>&1 &
step "unit, tool and golden tests" cargo test --workspace --no-fail-fast
if ! $quick; then
  step "release build" cargo build --workspace --release
  step "instructions per row" scripts/bench/instructions.sh
  step "the edge data set, there and back" scripts/test/edge.sh sim
  step "the scripts of a migration" scripts/test/scripts.sh
  step "migrations that are killed" scripts/test/killed.sh
  step "the kill matrix" scripts/test/matrix.sh
  step "a disk that is full" scripts/test/disk.sh
  step "targets in trouble" scripts/test/target-faults.sh
  step "incremental rounds" scripts/test/rounds.sh
  step "mutations: damages reported, what is harmless not" scripts/test/mutations.sh
  step "secrets that nobody sees" scripts/test/secrets.sh
  step "the HTML report in a browser" scripts/test/report.sh
  step "metrics, alerts and dashboard by promtool" scripts/test/metrics.sh
  step "from one StarRocks to another, killed on the way" scripts/test/starrocks.sh --kills 2
  step "StarRocks' back ends in network namespaces of their own" scripts/test/namespaces.sh
  step "limits: memory and large inputs" scripts/test/limits.sh
  step "demo: a million rows, verified" scripts/demo.sh --rows 1000000
  step "demo: one value altered is found" scripts/test/altered.sh
  step "object storage: moto, faults, kills" scripts/test/store.sh
  step "queues: SQS of moto, faults, kills" scripts/test/queue.sh
  step "vendors' clients against the simulators" scripts/live/vendor-clients.sh
  for version in 1.6 1.8 2.9; do
    step "real InfluxDB $version" scripts/test/live-influx.sh "$version"
  done
fi

for failure in "${failures[@]}"; do say "FAILED: $failure"; done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
