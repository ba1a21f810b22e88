#!/usr/bin/env bash
# memory.sh [--rows SMALL LARGE] [--save]: peak resident memory of td-dump, lp-encode and influx-write on two sizes.
#
# The peaks must agree within 8 MiB and stay under 64 MiB. With --save the figures go to scripts/bench/runs/.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

small=1000000 large=10000000 save=false
while [ $# -gt 0 ]; do
  case $1 in
    --rows) small=${2:?} large=${3:?}; shift 3 ;;
    --save) save=true; shift ;;
    *) die 2 "usage: memory.sh [--rows SMALL LARGE] [--save]" ;;
  esac
done
tools_on_path
if ! /usr/bin/time -f %M true 2>/dev/null; then
  skip "memory of the tools: /usr/bin/time is not installed (package time)"
  exit 77
fi

begin_scratch

# peak NAME ROWS COMMAND…: runs it, notes its peak in MiB
declare -A peaks
peak() {
  local name=$1 rows=$2
  shift 2
  /usr/bin/time -f %M -o "$scratch/peak" "$@" || die $? "$name failed on $rows rows"
  peaks[$name,$rows]=$(awk '{ printf "%.1f", $1 / 1024 }' "$scratch/peak")
  printf '%-16s %10s rows  %6s MiB\n' "$name" "$rows" "${peaks[$name,$rows]}"
}

for rows in "$small" "$large"; do
  say "$rows rows"
  ts-gen sensors --rows "$rows" --quiet -o "$scratch/data.csv" 
  simulate tdengine tdengine --load "demo.sensors=$scratch/data.csv"
  export TS_SOURCE_URL=tdengine://root@${url#http://}/demo TS_SOURCE_PASSWORD=taosdata
  peak td-dump-csv "$rows" td-dump --quiet --table sensors -o /dev/null
  peak td-dump-arrow "$rows" td-dump --quiet --table sensors -t arrow -o /dev/null
  kill "${pids[-1]}" && wait "${pids[-1]}" 2>/dev/null || true # its memory is needed for the next
  peak lp-encode-csv "$rows" lp-encode --quiet --measurement sensors "$scratch/data.csv" -o /dev/null
  lp-encode --quiet --measurement sensors "$scratch/data.csv" -o "$scratch/data.lp"
  rm "$scratch/data.csv"
  # shellcheck disable=SC2154 # simulate sets url
  simulate influx influx --flavor 2.9 --org demo --bucket demo --token t --discard
  export TS_TARGET_URL="influx2+$url/?org=demo&bucket=demo" TS_TARGET_TOKEN=t
  peak influx-write "$rows" influx-write --quiet "$scratch/data.lp"
  peak influx-write-gzip "$rows" influx-write --quiet --gzip 1 "$scratch/data.lp"
  rm -f "$scratch/data.lp"
done

code=0
report() {
  local name
  echo "tool small_mib large_mib difference_mib"
  for name in td-dump-csv td-dump-arrow lp-encode-csv influx-write influx-write-gzip; do
    awk -v n="$name" -v a="${peaks[$name,$small]}" -v b="${peaks[$name,$large]}" 'BEGIN {
      d = b - a; printf "%s %.1f %.1f %.1f\n", n, a, b, d; exit !(d <= 8 && d >= -8 && a < 64 && b < 64) }' || code=1
  done
}
report >"$scratch/report"
column -t "$scratch/report" 2>/dev/null || cat "$scratch/report"
if $save; then
  run=$here/runs/$(date -u +%Y-%m-%d)-memory
  mkdir -p "$run"
  cp "$scratch/report" "$run/memory.txt"
  { date -u; uname -srm; grep -m 1 'model name' /proc/cpuinfo; nproc; echo "rows: $small and $large"; } >"$run/machine.txt"
  say "saved in $run"
fi
[ "$code" -eq 0 ] || say "a peak is over 64 MiB, or the two sizes differ by more than 8 MiB"
exit "$code"
