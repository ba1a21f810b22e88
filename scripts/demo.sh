#!/usr/bin/env bash
# demo.sh [--rows N] [--tables N] [--influx sim|1.6|1.8|2.9] [--alter] [--work-dir DIR]
#
# The whole way on one machine: builds, starts TDengine's simulator with generated data and an InfluxDB (a simulator, or a
# real server that is installed for it), migrates, verifies every cell, prints the verdict. With --alter one value is
# changed in the target afterwards, and the verdict must find it (exit 1).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

rows=1000000 tables=1000 influx=sim alter=false work=
while [ $# -gt 0 ]; do
  case $1 in
    --rows) rows=${2:?}; shift 2 ;;
    --tables) tables=${2:?}; shift 2 ;;
    --influx) influx=${2:?}; shift 2 ;;
    --alter) alter=true; shift ;;
    --work-dir) work=${2:?}; shift 2 ;;
    -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) die 2 "unknown argument '$1' (see --help)" ;;
  esac
done
case $influx in sim | 1.6 | 1.8 | 2.9) ;; *) die 2 "--influx is sim, 1.6, 1.8 or 2.9" ;; esac
need cargo "a Rust toolchain (rustup, or your system's packages)"

begin_scratch
before_end() { [ "$influx" = sim ] || "$here/live/influx-$influx.sh" stop "$scratch/influx" >/dev/null 2>&1 || true; }

say "building (release; the first time takes some minutes)"
(cd "$here/.." && cargo build --release --workspace)
tools_on_path

say "starting a simulated TDengine with $rows rows in $tables sub-tables"
simulate tdengine tdengine --load demo.sensors=- < <(ts-gen sensors --rows "$rows" --tables "$tables" --quiet)
source_host=${url#http://}

if [ "$influx" = sim ]; then
  say "starting a simulated InfluxDB 2"
  simulate influx influx --flavor 2.9 --org demo --bucket demo --token demo-token
  target="influx2+$url/?org=demo&bucket=demo" token=demo-token
else
  say "installing and starting a real InfluxDB $influx"
  code=0
  "$here/live/influx-$influx.sh" install || code=$?
  [ "$code" -eq 0 ] || exit "$code"
  "$here/live/influx-$influx.sh" start "$scratch/influx" >/dev/null
  target=$(cat "$scratch/influx/url")
  token=$(cat "$scratch/influx/token" 2>/dev/null || true)
fi

work=${work:-$scratch/migration}
cat >"$scratch/demo.env" <<END
TS_SOURCE_URL=tdengine://root@$source_host/demo
TS_SOURCE_PASSWORD=taosdata
TS_TARGET_URL=$target
TS_TARGET_TOKEN=$token
WINDOW=2m
CONCURRENCY=2
END
start=$(date +%s.%N)
code=0
"$here/run_migration.sh" --env "$scratch/demo.env" --work-dir "$work" --restart || code=$?
say "migrated and verified in $(awk -v a="$start" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }') s"
if [ "$code" -ne 0 ] || ! $alter; then exit "$code"; fi

say "altering one value in the target and verifying again"
read_env "$scratch/demo.env"
unset WINDOW CONCURRENCY
printf 'sensors,device_id=device_0001,location=Shanghai temperature=99.5 1704067200000000000\n' | influx-write --quiet
"$here/verify_migration.sh" --work-dir "$work"
