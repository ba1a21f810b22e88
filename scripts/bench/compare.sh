#!/usr/bin/env bash
# compare.sh [--rows N] [--rounds N] [--only PATTERN] [--save]: our tools against the programs that people use today.
#
#   --rows N        rows of the data set [10000000]; what is slow gets at most 1000000
#   --rounds N      how often everything runs, in turn; medians are shown [5]
#   --only PATTERN  only races whose name matches this extended regular expression (--list shows them)
#   --save          keep raw.csv, summary.txt and machine.txt under runs/DATE-compare
#   --list          name the races, and end
#
# Exit: 0 no measure missed; 1 one missed, outputs differ, or a command failed. What cannot be had is skipped, and said.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$here/../lib.sh"
. "$here/race.sh"
. "$here/data.sh"
. "$here/peers.sh"
. "$here/measures/encode.sh"
. "$here/measures/files.sh"
. "$here/measures/tdengine.sh"
. "$here/measures/starrocks.sh"
. "$here/measures/write.sh"

usage="usage: compare.sh [--rows N] [--rounds N] [--only PATTERN] [--save] [--list]"
races=(
  csv-lp:encode_csv parquet-lp:encode_parquet threads:threads pipe:pipes
  td-rest:td_rest td-blocks:td_blocks td-python:td_python sr-text:sr_text sr-load:sr_load
  lp-columns:decode csv-parquet:convert csv-scan:scan digest:digest
  discard:discard influx-2.9:real_two influx-1.8:real_one
)
rows=10000000 rounds=5 only=. save=false
while [ $# -gt 0 ]; do
  case $1 in
    --rows) rows=${2:?$usage}; shift 2 ;;
    --rounds) rounds=${2:?$usage}; shift 2 ;;
    --only) only=${2:?$usage}; shift 2 ;;
    --save) save=true; shift ;;
    --list) printf '%s\n' "${races[@]%%:*}"; exit ;;
    *) die 2 "$usage" ;;
  esac
done
[[ $rows =~ ^[1-9][0-9]*$ && $rounds =~ ^[1-9][0-9]*$ ]] || die 2 "$usage"
tools_on_path
[[ $(command -v lp-encode) != "$root"/target/debug/* ]] || die 2 "speed is measured on a release build: cargo build --workspace --release"
# shellcheck disable=SC2034 # race.sh uses it
gnu_time=$(type -P time) || die 2 "/usr/bin/time is needed: install the package time"
cache=$(realpath -m "${TSFERRY_CACHE:-$HOME/.cache/tsferry}")
mkdir -p "$cache"

servers=()
before_end() {
  local version
  for version in "${servers[@]}"; do "$here/../live/influx-$version.sh" stop "$scratch/influx-$version" || true; done
}
begin_scratch
raw=$scratch/raw.csv claims=$scratch/claims.tsv agreements=$scratch/agree.txt
failures=() absences=0
echo "group,unit,label,round,units,wall,user,sys,rss_kib" >"$raw"
touch "$claims" "$agreements"

pythonic=true
peers_in_python || { pythonic=false; skip "peers in Python: pip cannot install them ($cache/bench-python.log)"; }
(cd "$root" && cargo build --quiet --release --examples) || say "the references of common/testkit/examples are not built"
make_data

for entry in "${races[@]}"; do
  ! [[ ${entry%%:*} =~ $only ]] || "${entry#*:}"
done

{
  awk -f "$here/summary.awk" "$claims" "$raw"
  echo
  cat "$agreements"
  for failure in "${failures[@]}"; do echo "failed: $failure"; done
} >"$scratch/summary.txt"
cat "$scratch/summary.txt"
if $save; then
  run=$here/runs/$(date -u +%Y-%m-%d)-compare
  mkdir -p "$run"
  cp "$raw" "$scratch/summary.txt" "$run"
  {
    date -u +%FT%TZ
    uname -srm
    grep -m 1 'model name' /proc/cpuinfo
    echo "cores: $(nproc); memory: $(awk '/MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo); load: $(cut -d' ' -f1-3 /proc/loadavg)"
    echo "rows: $rows; rounds: $rounds; races: $only"
    rustc --version
    git -C "$root" log -1 --format='commit %h' 2>/dev/null || true
    mawk -W version 2>&1 | head -n 1
    # shellcheck disable=SC2154 # peers.sh sets python
    ! $pythonic || "$python" -m pip list --disable-pip-version-check 2>/dev/null | awk '$1 ~ /duckdb|polars$|pandas|influxdb-client|taos|PyMySQL/ { print $1, $2 }'
  } >"$run/machine.txt"
  say "saved in $run"
fi
missed=$(grep -c ' MISSED$' "$scratch/summary.txt" || true)
say "$missed measures missed, ${#failures[@]} failures, $absences skipped"
[ "$missed" -eq 0 ] && [ ${#failures[@]} -eq 0 ]
