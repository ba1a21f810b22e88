#!/usr/bin/env bash
# edge.sh 1|2|sim: the `edge` data set through TDengine's simulator, CSV, Arrow, Parquet and line protocol into an InfluxDB,
# and back. 1 and 2: the server of TS_TARGET_URL, of that version; sim: simulators of both versions.
#
# Every type, NULL, extreme values and awkward strings, repaired by the policies that the target needs, then compared cell
# by cell with what TDengine holds. Only these differences are allowed, and each must really occur:
#   nan_inf        line protocol has no NaN and no infinity: dropped
#   int_precision  version 1 has no unsigned integers: as floats, those beyond 2^53 lose digits
#   empty_tag      an empty tag is no tag
#   type_changed   bytes, decimals and times as text and integers
# and tags lose the backslash at their end, which the comparison knows.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

if [ "${1-}" = sim ]; then
  tools_on_path
  begin_scratch
  simulate one influx --flavor 1.8
  TS_TARGET_URL=influx1+$url/edge "$0" 1
  simulate two influx --flavor 2.9 --org o --bucket edge --token t
  TS_TARGET_URL="influx2+$url/?org=o&bucket=edge" TS_TARGET_TOKEN=t "$0" 2
  echo "test result: ok. 2 passed; 0 failed; the edge data set there and back, simulated InfluxDB 1.8 and 2.9"
  exit 0
fi
: "${TS_TARGET_URL:?the place to write to, empty or not there yet}"
case ${1-} in
  1) encode=(--dialect v1 --uint float) classes=(nan_inf int_precision empty_tag type_changed) ;;
  2) encode=(--dialect v2 --uint u) classes=(nan_inf empty_tag type_changed) ;;
  *) die 2 "usage: scripts/test/edge.sh 1|2|sim (the target's version)" ;;
esac
begin_scratch

ts-gen edge --rows 20000 --quiet -o "$scratch/edge.csv"
simulate tdengine tdengine --load "db.edge=$scratch/edge.csv"
source=(td-dump --quiet --url "tdengine://root@${url#http://}/db" --table edge)

export TS_END_MARK=1
TS_SOURCE_PASSWORD=taosdata "${source[@]}" -t csv -o "$scratch/way.csv"
ts-convert --quiet "$scratch/way.csv" -o "$scratch/way.arrow"
ts-convert --quiet "$scratch/way.arrow" -o "$scratch/way.parquet"
lp-encode --quiet "$scratch/way.parquet" --measurement edge --nan drop --newline raw --trailing-backslash strip --decimal string "${encode[@]}" |
  influx-write --quiet --create
unset TS_END_MARK

# For influx-dump the target is the source.
(
  export TS_SOURCE_URL=$TS_TARGET_URL
  [ -z "${TS_TARGET_PASSWORD-}" ] || export TS_SOURCE_PASSWORD=$TS_TARGET_PASSWORD
  [ -z "${TS_TARGET_TOKEN-}" ] || export TS_SOURCE_TOKEN=$TS_TARGET_TOKEN
  exec influx-dump --quiet --measurement edge -o "$scratch/back.parquet"
)
TS_SOURCE_PASSWORD=taosdata "${source[@]}" -t arrow -o "$scratch/edge.arrow"
# These two are allowed by default.
allow=(--allow all_null_row:0 --allow duplicate_lww:0)
for class in "${classes[@]}"; do allow+=(--allow "$class"); done
code=0
ts-verify rows "$scratch/edge.arrow" "$scratch/back.parquet" "${allow[@]}" --measurement edge \
  --trailing-backslash strip --read c_decimal=decimal --read 'c_time=timestamp(us)' --out text --limit 10 >"$scratch/verdict" || code=$?
cat "$scratch/verdict"
[ "$code" -eq 0 ] || exit "$code"
for class in "${classes[@]}"; do
  grep -q "^class $class: [1-9]" "$scratch/verdict" || die 1 "no difference of class $class: is the data set still on edge?"
done
echo "edge: 20000 rows there and back, only the documented differences"
