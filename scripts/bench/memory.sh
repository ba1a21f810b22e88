#!/usr/bin/env bash
# memory.sh [--rows SMALL LARGE] [--served N] [--within MIB] [--text MIB] [--save]: peak resident memory of every path on two sizes of the data set `sensors`, and of
# the Parquet paths on a table of 60 columns with NULLs.
#
# Text paths: at most 32 MiB (--text), and the two sizes within 2 MiB (--within) of each other. Parquet paths, and loads into
# StarRocks: at most 64 MiB on `sensors`; Parquet of 60 columns: 128 MiB. Else it ends with 1. With --save the figures go to
# scripts/bench/runs/. Through a simulated StarRocks go at most so many rows as --served says: it takes a minute for ten million.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

small=1000000 large=10000000 served=0 within=2 text_limit=32 save=false
while [ $# -gt 0 ]; do
  case $1 in
    --rows) small=${2:?} large=${3:?}; shift 3 ;;
    --served) served=${2:?}; shift 2 ;;
    --within) within=${2:?}; shift 2 ;;
    --text) text_limit=${2:?}; shift 2 ;;
    --save) save=true; shift ;;
    *) die 2 "usage: memory.sh [--rows SMALL LARGE] [--served N] [--within MIB] [--text MIB] [--save]" ;;
  esac
done
tools_on_path
if ! /usr/bin/time -f %M true 2>/dev/null; then
  skip "memory of the tools: /usr/bin/time is not installed (package time)"
  exit 77
fi

begin_scratch
declare -A peaks
text=() parquet=() loads=() wide=()

# peak KIND NAME SIZE COMMAND…: runs it, notes its peak in MiB; KIND is the list of paths that it belongs to
peak() {
  local -n list=$1
  local name=$2 size=$3
  shift 3
  /usr/bin/time -f %M -o "$scratch/peak" "$@" >/dev/null 2>"$scratch/err" \
    || die 1 "$name on $size rows: exit $?: $(tail -n 1 "$scratch/err")"
  peaks[$name,$size]=$(tail -n 1 "$scratch/peak" | awk '{ printf "%.1f", $1 / 1024 }')
  [[ " ${list[*]-} " == *" $name "* ]] || list+=("$name")
  printf '%-24s %10s rows  %6s MiB\n' "$name" "$size" "${peaks[$name,$size]}"
}

# over_network ROWS: td-dump and influx-write, each with a simulated server
over_network() {
  simulate tdengine tdengine --load "demo.sensors=$scratch/tables.csv"
  rm "$scratch/tables.csv"
  # shellcheck disable=SC2154 # simulate sets url
  local td=root@${url#http://}/demo
  export TS_SOURCE_PASSWORD=taosdata
  peak text td-dump-csv "$1" td-dump --quiet --url "tdengine://$td" --table sensors
  peak text td-dump-arrow "$1" td-dump --quiet --url "tdengine://$td" --table sensors -t arrow
  peak text td-dump-rest-csv "$1" td-dump --quiet --url "tdengine+http://$td" --table sensors
  peak parquet td-dump-parquet "$1" td-dump --quiet --url "tdengine://$td" --table sensors -t parquet
  ended # its memory is needed for the next
  simulate influx influx --flavor 2.9 --org demo --bucket demo --token t --discard
  export TS_TARGET_URL="influx2+$url/?org=demo&bucket=demo" TS_TARGET_TOKEN=t
  peak text influx-write "$1" influx-write --quiet "$scratch/data.lp"
  peak text influx-write-gzip "$1" influx-write --quiet --gzip 1 "$scratch/data.lp"
  ended
}

# load NAME ROWS OPTION…: sr-stream-load into a simulated StarRocks of its own; sets $to
load() {
  simulate starrocks starrocks --server-version 4.2.0 --sql "$scratch/demo.sql"
  to=${url/\?//demo?}
  peak loads "$1" "$2" sr-stream-load --quiet --create --model duplicate --table sensors --url "$to" "${@:3}"
}

# over_starrocks ROWS: sr-stream-load of $scratch/data.csv and .arrow, and sr-export of what it has loaded
over_starrocks() {
  local to data=$scratch/data
  unset TS_SOURCE_PASSWORD TS_TARGET_TOKEN # over_network's
  echo 'CREATE DATABASE demo' >"$scratch/demo.sql"
  if [ "$served" -gt 0 ] && [ "$1" -gt "$served" ]; then
    data=$scratch/some
    say "of them $served through StarRocks"
    ts-gen sensors --rows "$served" --quiet --no-table -o "$data.csv" 2>/dev/null
    ts-convert --quiet "$data.csv" -o "$data.arrow" 2>/dev/null
  fi
  load sr-stream-load-arrow "$1" "$data.arrow"
  ended
  load sr-stream-load-as-arrow "$1" --load-format arrow "$data.arrow"
  ended
  load sr-stream-load-csv "$1" "$data.csv"
  peak text sr-export-csv "$1" sr-export --quiet --url "$to" --table sensors
  peak text sr-export-arrow "$1" sr-export --quiet --url "$to" --table sensors -t arrow
  peak parquet sr-export-parquet "$1" sr-export --quiet --url "$to" --table sensors -t parquet
  [ ! -r "/proc/${pids[-1]}/status" ] \
    || awk '$1 == "VmHWM:" { printf "the simulator that held them: %.0f MiB\n", $2 / 1024 }' "/proc/${pids[-1]}/status"
  ended
  rm -f "$scratch/some.csv" "$scratch/some.arrow"
}

# ended: the simulator that was started last
ended() {
  kill "${pids[-1]}" 2>/dev/null || true
  wait "${pids[-1]}" 2>/dev/null || true
}

for rows in "$small" "$large"; do
  say "$rows rows"
  ts-gen sensors --rows "$rows" --quiet -o "$scratch/tables.csv" 2>/dev/null
  ts-gen sensors --rows "$rows" --quiet --no-table -o "$scratch/data.csv" 2>/dev/null
  peak text lp-encode-csv "$rows" lp-encode --quiet --measurement sensors "$scratch/data.csv"
  peak text csv-arrow "$rows" ts-convert --quiet -t arrow "$scratch/data.csv"
  peak parquet csv-parquet "$rows" ts-convert --quiet "$scratch/data.csv" -o "$scratch/data.parquet"
  lp-encode --quiet --measurement sensors "$scratch/data.csv" -o "$scratch/data.lp" 2>/dev/null
  peak parquet lp-encode-parquet "$rows" lp-encode --quiet --measurement sensors "$scratch/data.parquet"
  peak parquet digest-parquet "$rows" ts-verify digest --quiet --measurement sensors "$scratch/data.parquet" -o /dev/null
  ts-convert --quiet "$scratch/data.parquet" -o "$scratch/data.arrow" 2>/dev/null
  peak text lp-encode-arrow "$rows" lp-encode --quiet --measurement sensors "$scratch/data.arrow"
  over_starrocks "$rows"
  rm "$scratch/data.arrow" "$scratch/data.parquet" "$scratch/data.csv"
  peak text lp-decode-csv "$rows" lp-decode --quiet "$scratch/data.lp"
  peak text lp-decode-arrow "$rows" lp-decode --quiet -t arrow "$scratch/data.lp"
  over_network "$rows"
  rm -f "$scratch/data.lp"
done

# 60 columns: 20 whole numbers, 20 floats of full precision, 20 of one decimal; three in ten are NULL.
columns=$((small < 100000 ? small : 100000))
say "60 columns, $columns rows"
awk -v rows="$columns" 'BEGIN {
  srand(1)
  line = "ts|time,device|tag"
  for (i = 0; i < 60; i++) line = line ",c" i "|" (i < 20 ? "long" : "double")
  print line
  for (r = 0; r < rows; r++) {
    s = int(r / 100)
    line = sprintf("2024-01-%02dT%02d:%02d:%02dZ,d%d", 1 + int(s / 86400), int(s / 3600) % 24, int(s / 60) % 60, s % 60, r % 100)
    for (i = 0; i < 60; i++) {
      x = rand()
      if (rand() < 0.3) line = line ","
      else if (i < 20) line = line "," int(x * 1000000)
      else line = line "," sprintf(i < 40 ? "%.15g" : "%.1f", x * 1000)
    }
    print line
  }
}' >"$scratch/wide.csv"
peak wide wide-csv-parquet "$columns" ts-convert --quiet "$scratch/wide.csv" -o "$scratch/wide.parquet"
peak wide wide-lp-encode-parquet "$columns" lp-encode --quiet --measurement m "$scratch/wide.parquet"
peak wide wide-digest-parquet "$columns" ts-verify digest --quiet --measurement m "$scratch/wide.parquet" -o /dev/null

code=0
# row NAME SMALL LARGE LIMIT DIFFERENCE
row() {
  awk -v n="$1" -v a="$2" -v b="$3" -v limit="$4" -v apart="$5" 'BEGIN {
    d = b - a
    bad = b > limit || a > limit || d > apart || d < -apart
    printf "%s %.1f %.1f %+.1f %d %s\n", n, a, b, d, limit, bad ? "OVER" : "ok"
    exit bad
  }' || code=1
}
report() {
  local name
  echo "path small_mib large_mib difference limit_mib verdict"
  for name in "${text[@]}"; do row "$name" "${peaks[$name,$small]}" "${peaks[$name,$large]}" "$text_limit" "$within"; done
  # Row groups and loads fill with the first rows: a small input may not fill one.
  for name in "${parquet[@]}" "${loads[@]}"; do row "$name" "${peaks[$name,$small]}" "${peaks[$name,$large]}" 64 64; done
  for name in "${wide[@]}"; do row "$name" "${peaks[$name,$columns]}" "${peaks[$name,$columns]}" 128 0; done
}
report >"$scratch/report"
column -t "$scratch/report" 2>/dev/null || cat "$scratch/report"
if $save; then
  run=$here/runs/$(date -u +%Y-%m-%d)-memory
  mkdir -p "$run"
  cp "$scratch/report" "$run/memory.txt"
  { date -u; uname -srm; grep -m 1 'model name' /proc/cpuinfo; nproc; echo "rows: $small and $large; $columns of 60 columns"; } >"$run/machine.txt"
  say "saved in $run"
fi
[ "$code" -eq 0 ] || say "a peak is over its limit, or the two sizes differ by more than $within MiB"
exit "$code"
