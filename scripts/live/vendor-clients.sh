#!/usr/bin/env bash
# The simulators, read and written by the vendors' own clients: vendor-clients.sh [tdengine] [influx] (default: all). The clients are installed with pip
# into a virtual environment under $TSFERRY_CACHE (default ~/.cache/tsferry); nothing else on the system changes.
# Exit: 0 all agree, 1 a difference, 77 skipped (said on stdout).
# shellcheck disable=SC2317  # the functions are called by their names, at the end
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
cache=$(realpath -m "${TSFERRY_CACHE:-$HOME/.cache/tsferry}")
bin=${CARGO_TARGET_DIR:-target}/${TSFERRY_PROFILE:-debug}

skip() { printf 'skipped: %s\n' "$*"; return 77; }

# environment NAME PACKAGE==VERSION…: sets $python to an interpreter that has these packages
environment() {
  local name=$1 home=$cache/vendor-$1
  shift
  python=$home/bin/python
  [ "$(cat "$home/complete" 2>/dev/null)" = "$*" ] && return 0
  command -v python3 >/dev/null || { skip "$name clients: no python3"; return; }
  mkdir -p "$cache"
  rm -rf "$home"
  python3 -m venv "$home" >"$home.log" 2>&1 || { skip "$name clients: python3 has no venv ($home.log)"; return; }
  "$python" -m pip install --disable-pip-version-check --quiet "$@" >"$home.log" 2>&1 \
    || { skip "$name clients: pip cannot install $* ($home.log)"; return; }
  echo "$*" >"$home/complete"
}

# need PROGRAM…: they must have been built
need() {
  local program
  for program; do
    [ -x "$bin/$program" ] || { echo "no $bin/$program: run cargo build --workspace" >&2; return 2; }
  done
}

# One function for each system.

tdengine() {
  need ts-sim ts-gen || return
  environment tdengine taospy==2.8.10 taos-ws-py==0.7.0 || return
  local worst=0 check
  for check in vendor_tdengine vendor_tdengine_writes vendor_tdengine_sml vendor_tdengine_tmq; do
    "$python" "tools/ts-sim/tests/$check.py" "$bin" || worst=$?
  done
  # Schemaless writes are made for InfluxDB's clients too.
  environment influx influxdb==5.3.2 influxdb-client==1.50.0 || return $((worst > 0 ? worst : 77))
  "$python" tools/ts-sim/tests/vendor_tdengine_sml.py "$bin" influxdb || worst=$?
  return "$worst"
}

influx() {
  need ts-sim || return
  environment influx influxdb==5.3.2 influxdb-client==1.50.0 || return
  "$python" tools/ts-sim/tests/vendor_influx.py "$bin"
}

systems=("$@")
[ $# -gt 0 ] || mapfile -t systems < <(declare -F | awk '{ print $3 }' | grep -xE 'tdengine|influx')
worst=0
for system in "${systems[@]}"; do
  code=0
  "$system" || code=$?
  # A skip counts only when nothing failed.
  if [ "$code" -ne 0 ] && { [ "$worst" -eq 0 ] || [ "$worst" -eq 77 ]; }; then worst=$code; fi
done
exit "$worst"
