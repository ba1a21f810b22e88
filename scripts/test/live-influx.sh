#!/usr/bin/env bash
# live-influx.sh VERSION          a real InfluxDB (1.6, 1.8 or 2.9) under test
#
# Installs it where it is missing, starts it on a private port and directory, and runs against it: the conformance suites
# of influx-write and influx-dump, with the faults of `ts-sim proxy` between; the `edge` data set there and back, verified cell by cell;
# the demo. Ends with 77 and a line `skipped: …` where the server cannot be had. The server is stopped in any case.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/lib.sh

version=${1-}
case $version in 1.6 | 1.8 | 2.9) ;; *) die 2 "usage: scripts/test/live-influx.sh 1.6|1.8|2.9" ;; esac
server=scripts/live/influx-$version.sh
scratch=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  "$server" stop "$scratch/influx" || true
  wait 2>/dev/null || true
  rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# had COMMAND…: ends with 77 when the server cannot be had (10, which has said why), else with the command's code.
had() {
  local code=0
  "$@" || code=$?
  case $code in 0) ;; 10) exit 77 ;; *) exit "$code" ;; esac
}

had "$server" install
# Version 1 asks for the password and refuses requests of more than 200 kB; version 2 always asks, and has no such limit.
export TS_LIVE_INFLUX_MAX_BODY=
if [ "$version" != 2.9 ]; then
  export INFLUXDB_HTTP_AUTH_ENABLED=true INFLUXDB_HTTP_MAX_BODY_SIZE=200000 TS_LIVE_INFLUX_MAX_BODY=200000
fi
had "$server" start "$scratch/influx"

say "conformance of influx-write and influx-dump"
cargo build --workspace --quiet
TS_LIVE_INFLUX=$version TS_LIVE_INFLUX_DIR=$scratch/influx \
  cargo test --test live "influx_${version/./_}"

say "awkward names and values through lp-encode and back"
TS_LIVE_INFLUX=$version TS_LIVE_INFLUX_DIR=$scratch/influx cargo test --test servers real

say "the edge data set, there and back"
export PATH=$PWD/target/debug:$PATH
case $version in
  2.9)
    TS_TARGET_URL=$(sed 's/bucket=tsferry/bucket=edge/' "$scratch/influx/url") TS_TARGET_TOKEN=$(cat "$scratch/influx/token") \
      scripts/test/edge.sh 2
    ;;
  *)
    TS_TARGET_URL=$(sed 's#/tsferry$#/edge#' "$scratch/influx/url") TS_TARGET_PASSWORD=$(cat "$scratch/influx/password") \
      scripts/test/edge.sh 1
    ;;
esac

say "the demo"
unset INFLUXDB_HTTP_AUTH_ENABLED INFLUXDB_HTTP_MAX_BODY_SIZE
scripts/demo.sh --influx "$version" --rows 200000
