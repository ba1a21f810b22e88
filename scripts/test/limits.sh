#!/usr/bin/env bash
# Large inputs under a memory limit: each tool takes 1 GiB with 256 MiB of address space, and its peak does not grow
# with the input. TS_LIMITS_MIB=N takes another size than 1024.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
tools_on_path

size=${TS_LIMITS_MIB:-1024}
limit=$((256 * 1024))
begin_scratch
passed=0

# under NAME COMMAND…: with at most 256 MiB of address space
under() {
  local name=$1 code=0
  shift
  (ulimit -v "$limit"; exec "$@") >/dev/null 2>"$scratch/err" || code=$?
  [ "$code" -eq 0 ] || die 1 "$name under 256 MiB: exit $code: $(tail -n 2 "$scratch/err")"
  say "$name: $(tail -n 1 "$scratch/err")"
  passed=$((passed + 1))
}

say "making $size MiB of CSV"
ts-gen sensors --rows $((size * 13000)) --quiet -o "$scratch/data.csv" # a row is about 80 bytes
say "$(du -m "$scratch/data.csv" | cut -f1) MiB of CSV"
under "lp-encode csv" lp-encode --measurement sensors "$scratch/data.csv"
under "ts-convert csv to arrow" ts-convert -t arrow "$scratch/data.csv"
under "ts-convert csv to parquet" ts-convert -t parquet "$scratch/data.csv"
under "ts-convert csv to ndjson" ts-convert -t ndjson "$scratch/data.csv"
under "ts-verify digest" ts-verify digest --measurement sensors "$scratch/data.csv"
simulate tdengine tdengine --load "db.sensors=$scratch/data.csv"
export TS_SOURCE_URL=tdengine://root@${url#http://}/db TS_SOURCE_PASSWORD=taosdata
under "td-dump to csv" td-dump --table sensors
under "td-dump to arrow" td-dump --table sensors -t arrow
kill "${pids[-1]}" 2>/dev/null || true # its memory is needed for the rest
wait "${pids[-1]}" 2>/dev/null || true
ts-convert --quiet -t parquet "$scratch/data.csv" -o "$scratch/data.parquet"
rm "$scratch/data.csv"
under "lp-encode parquet" lp-encode --measurement sensors "$scratch/data.parquet"
rm "$scratch/data.parquet"
say "making $size MiB of line protocol"
ts-gen sensors --rows $((size * 8200)) --no-table --quiet -t lp -o "$scratch/data.lp"
say "$(du -m "$scratch/data.lp" | cut -f1) MiB of line protocol"
under "lp-decode" lp-decode "$scratch/data.lp"
under "influx-write --dry-run" influx-write --dry-run --url influx1+http://127.0.0.1:1/db "$scratch/data.lp"
simulate influx influx --flavor 2.9 --org o --bucket b --token t --discard
under "influx-write" env TS_TARGET_TOKEN=t influx-write --url "influx2+$url/?org=o&bucket=b" "$scratch/data.lp"
rm "$scratch/data.lp"

# One line that never ends: refused, not collected.
head -c $((size * 1024 * 1024)) /dev/zero | tr '\0' 'x' >"$scratch/line"
for tool in "lp-decode" "ts-convert -f csv" "ts-convert -f ndjson" "ts-convert -f lp" "lp-encode --measurement m -f csv"; do
  code=0
  # shellcheck disable=SC2086 # the words of the command
  (ulimit -v "$limit"; exec $tool "$scratch/line") >/dev/null 2>"$scratch/err" || code=$?
  [ "$code" -eq 3 ] || die 1 "$tool on a line without end: exit $code, not 3: $(tail -n 2 "$scratch/err")"
  say "$tool on a line of $size MiB: exit 3"
  passed=$((passed + 1))
done
rm "$scratch/line"

# Where threads hand batches over, how many are under way at once differs from run to run by some MiB.
"$here/../bench/memory.sh" --served 2000000 --within 8 --text 64
passed=$((passed + 1))
echo "test result: ok. $passed passed; 0 failed; large inputs under a memory limit"
