#!/usr/bin/env bash
# instructions.sh [--accept]: instructions per row of every hot path, counted by valgrind: the same on a busy machine and a quiet one.
#
# (instructions for 120,000 rows - instructions for 20,000 rows) / 100,000, compared with the accepted value of instructions.txt
# and with the limit of each path. Exit: 0 all within; 1 one rose by more than 3 % or is over its limit; 77 skipped.
# With another rustc than the accepted one only the limits are judged. --accept writes the measured values as accepted.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

accept=false
case "${1-} $#" in
  ' 0') ;;
  '--accept 1') accept=true ;;
  *) die 2 "usage: instructions.sh [--accept]" ;;
esac
if ! type -P valgrind >/dev/null; then
  skip "instructions per row: valgrind is not installed"
  exit 77
fi
tools_on_path
[[ $(command -v lp-encode) != */debug/lp-encode ]] || die 2 "a release build is needed: cargo build --workspace --release"
accepted=$here/instructions.txt
small=20000 large=120000
begin_scratch

# The paths: name, limit, stretch. A path over its limit is `open` in the accepted file until it is met.
paths=(
  'csv-lp 2000 800'
  'arrow-lp 1600 1100'
  'json-csv 1700 900'
  'json-arrow 3300 1800'
  'blocks-arrow - -'
  'sr-arrow - -'
  'lp-columns 2600 1400'
  'lp-check - -'
  'digest 650 450'
  'csv-parquet - -'
)

# command NAME ROWS: sets `words` to what runs the path on so many rows
command_of() {
  local data=$scratch/$2
  case $1 in
    csv-lp) words=(lp-encode --measurement sensors "$data.csv") ;;
    arrow-lp) words=(lp-encode --measurement sensors "$data.arrow") ;;
    json-csv) words=(td-dump --url "tdengine+http://root@$td/d$2" --table sensors) ;;
    json-arrow) words=(td-dump --url "tdengine+http://root@$td/d$2" --table sensors -t arrow) ;;
    blocks-arrow) words=(td-dump --url "tdengine://root@$td/d$2" --table sensors -t arrow) ;;
    sr-arrow) words=(sr-export --url "starrocks://root@$sr/d$2" --table sensors -t arrow) ;;
    lp-columns) words=(lp-decode -t arrow "$data.lp") ;;
    lp-check) words=(influx-write --dry-run --url influx1+http://127.0.0.1:1/d "$data.lp") ;;
    digest) words=(ts-verify digest --measurement sensors "$data.arrow" -o /dev/null) ;;
    csv-parquet) words=(ts-convert -t parquet "$data.csv") ;;
  esac
}

# The functions of a path that its limit leaves out: a digest is what comes after the decoding.
declare -A without=([digest]='*IpcReader as rows::Reader*::next*')

# collected NAME ROWS [OPTION…]: the instructions of all threads, by callgrind with these options
collected() {
  local words name=$1 rows=$2
  shift 2
  command_of "$name" "$rows"
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" "${words[@]}" --quiet >/dev/null 2>"$scratch/err" \
    || die 1 "$name on $rows rows: $(tail -n 1 "$scratch/err")"
  awk '/Collected/ { print $NF }' "$scratch/err"
}

# count NAME ROWS: the instructions that count
count() {
  local all left_out=0
  all=$(collected "$1" "$2")
  [ -z "${without[$1]-}" ] || left_out=$(collected "$1" "$2" --toggle-collect="${without[$1]}")
  echo $((all - left_out))
}

for rows in $small $large; do
  ts-gen sensors --rows "$rows" --no-table --quiet -o "$scratch/$rows.csv"
  for format in lp arrow; do ts-gen sensors --rows "$rows" --no-table --quiet -t "$format" -o "$scratch/$rows.$format"; done
  ts-gen sensors --rows "$rows" --quiet -o "$scratch/$rows-tables.csv"
done 2>/dev/null
simulate tdengine tdengine --load "d$small.sensors=$scratch/$small-tables.csv" --load "d$large.sensors=$scratch/$large-tables.csv"
# shellcheck disable=SC2154 # simulate sets url
td=${url#http://}
# td-dump takes the password of every installation without being told, and the other simulator has none.
unset TS_SOURCE_PASSWORD
simulate starrocks starrocks --load "d$small.sensors=$scratch/$small.csv" --load "d$large.sensors=$scratch/$large.csv"
sr=${url#starrocks://root@}
sr=${sr%%\?*}

toolchain=$(rustc --version 2>/dev/null || echo "rustc unknown")
[ -f "$accepted" ] || touch "$accepted"
known=$(sed -n 's/^toolchain: //p' "$accepted")
code=0
report=$scratch/report
printf 'toolchain: %s\n%-14s %9s %9s %9s  %s\n' "$toolchain" path measured limit stretch state >"$report"
[ "$known" = "$toolchain" ] || say "the accepted values are of ${known:-nothing}, this is $toolchain: only limits are judged"
printf '%-14s %9s %9s %9s %9s  %s\n' path accepted measured limit stretch verdict
for path in "${paths[@]}"; do
  read -r name limit stretch <<<"$path"
  measured=$((($(count "$name" "$large") - $(count "$name" "$small")) / (large - small)))
  read -r before state < <(awk -v n="$name" '$1 == n { print $2, $5 }' "$accepted"; echo "- -")
  verdict=ok now=met
  if [ "$limit" != - ] && [ "$measured" -gt "$limit" ]; then
    now=open verdict="over the limit, open"
    [ "$state" = open ] || $accept || { verdict="OVER THE LIMIT" code=1; }
  elif [ "$stretch" != - ] && [ "$measured" -le "$stretch" ]; then
    now=stretch
  fi
  if [ "$before" != - ] && [ "$known" = "$toolchain" ] && [ $((measured * 100)) -gt $((before * 103)) ]; then
    verdict="ROSE by $(((measured * 100 / before) - 100)) %"
    $accept || code=1
  fi
  printf '%-14s %9s %9s %9s %9s  %s\n' "$name" "$before" "$measured" "$limit" "$stretch" "$verdict"
  printf '%-14s %9s %9s %9s  %s\n' "$name" "$measured" "$limit" "$stretch" "$now" >>"$report"
done
if $accept; then
  cp "$report" "$accepted"
  say "accepted: $accepted"
elif [ "$code" -ne 0 ]; then
  say "a path became slower; if that is on purpose: $0 --accept, and say why in the commit"
fi
exit "$code"
