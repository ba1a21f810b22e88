#!/usr/bin/env bash
# An incremental migration in ten rounds: new rows, late rows and updates arrive at the source between them. After each, both
# sides are equal up to the high-water mark, and no more was moved than the lateness zone and what is new.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
tools_on_path

begin_scratch
passed=0
fail() { cat "$scratch/out" >&2; die 1 "$*"; }

# Four devices, a row a minute each, from two hours ago until now.
now=$(date +%s)
ts-gen sensors --rows 480 --tables 4 --interval 60s --start "$((now - 7200))s" --quiet -o "$scratch/sensors.csv" 2>/dev/null
simulate source tdengine --load "demo.sensors=$scratch/sensors.csv"
base=$url
simulate target influx --flavor 1.8 --database demo
work=$scratch/work
cat >"$scratch/env" <<END
TS_SOURCE_URL=tdengine://root@${base#http://}/demo
TS_SOURCE_PASSWORD=taosdata
TS_TARGET_URL=influx1+$url/demo
WINDOW=10m
LATENESS=30m
SETTLE=0s
END
round() { "$here/../run_migration.sh" --env "$scratch/env" --work-dir "$work" --incremental >"$scratch/out" 2>&1; }
# insert SECONDS-AGO VALUE: a row of the first device.
insert() {
  curl -sS -u root:taosdata "$base/rest/sql/demo" \
    -d "INSERT INTO \`$device\` (ts, temperature) VALUES ($(((now - $1) * 1000)), $2)" >"$scratch/reply"
  grep -q '"code":0' "$scratch/reply" || { cat "$scratch/reply" >&2; die 1 "the source takes no row"; }
}
device=$(TS_SOURCE_URL=tdengine://root@${base#http://}/demo td-dump --quiet --query 'SELECT DISTINCT tbname FROM sensors' --header none 2>/dev/null | sort | head -n 1)

mark() { tail -n +3 "$work/plan.tsv" | cut -f 5 | sort | tail -n 1; }
ms() { date -u -d "$1" +%s%3N; }
started() { grep -c '"what":"started"' "$work/journal.jsonl"; }
# in_source FROM TO: rows of the source, in milliseconds, as the source counts them.
in_source() {
  TS_SOURCE_URL=tdengine://root@${base#http://}/demo td-dump --quiet --header none \
    --query "SELECT COUNT(*) FROM sensors WHERE ts >= $1 AND ts < $2" 2>/dev/null
}
# equal_until TIME: the whole history, not only what the round has moved and verified.
equal_until() {
  ts-verify rows --out text --float32 auto --measurement sensors --until "$1" \
    <(TS_SOURCE_PASSWORD=taosdata td-dump --quiet --url "tdengine://root@${base#http://}/demo" --table sensors --until "$1" -t arrow 2>/dev/null) \
    <(env -u TS_SOURCE_PASSWORD influx-dump --quiet --url "influx1+$url/demo" --measurement sensors --until "$1" -t arrow 2>/dev/null) >"$scratch/out" 2>&1 ||
    fail "until $1: ts-verify ends with $?"
}
# another NAME: a round, which must be equal, and move what is in the lateness zone and after it, each row once, no more.
another() {
  local before from to moved wanted attempts
  before=$(mark) attempts=$(started)
  round || fail "$1 ends with $?"
  grep -q 'verdict: equal' "$scratch/out" || fail "$1: not equal"
  from=$(($(ms "$before") - 1800000)) to=$(ms "$(mark)")
  moved=$(sum_of rows <"$work/summary.json") wanted=$(in_source "$from" "$to")
  splits=$(tail -n +3 "$work/plan.tsv" | wc -l)
  [ "$moved" -eq "$wanted" ] || fail "$1 moved $moved rows, and the source has $wanted from $LATENESS before $before on"
  # Half an hour is four windows of ten minutes where it is not aligned, and one more for what is new.
  [ "$splits" -le 5 ] || fail "$1 has $splits splits"
  [ $(($(started) - attempts)) -eq "$splits" ] || fail "$1 did a split twice"
  [ "$(ms "$before")" -le "$to" ] || fail "$1: the mark went back from $before to $(mark)"
  equal_until "$(mark)"
  rows=$((rows + moved)) most=$((moved > most ? moved : most))
}
LATENESS=30m rows=0 most=0
export TS_SOURCE_PASSWORD=taosdata

round || fail "the first round ends with $?"
grep -q 'moved 480 rows' "$scratch/out" || fail "the first round does not move all"
for number in 1 2 3 4 5 6 7 8 9; do
  insert $((number * 120 + 7)) "$number.5" # late: between rows that were moved before
  insert 0 "$number.25"                    # an update of the newest one, and new where there was none
  insert $((-number)) "$number.75"         # new; in the next seconds
  sleep 1
  another "round $number"
done
say "ok: nine more rounds, each equal up to its mark, each no more than the lateness zone: $rows rows, $most at most, of $(in_source 0 $((now * 2000)))"
passed=$((passed + 10))

# Receipts of a clock that was far ahead, or far behind: nothing hangs on what they say.
for year in 2040 1990; do
  sed -i -E "s/\"(started|ended)\":\"[0-9]{4}-/\"\1\":\"$year-/g" "$work"/done/*.json
  insert 900 "$year.5"
  insert 1 "$year.25"
  another "a round after receipts of $year"
done
say "ok: receipts of 2040 and of 1990: the next round moves the lateness zone, and is equal"
passed=$((passed + 1))

if command -v systemd-analyze >/dev/null; then
  # Where this machine has no /opt/tsferry, that is all it may say.
  systemd-analyze verify "$here/../systemd/tsferry@.service" "$here/../systemd/tsferry@.timer" >"$scratch/out" 2>&1 || true
  if grep 'tsferry@' "$scratch/out" | grep -v 'is not executable'; then fail "the systemd units are not valid"; fi
  passed=$((passed + 1))
else
  skip "the systemd units: systemd-analyze is not installed"
fi
echo "test result: ok. $passed passed; 0 failed; incremental rounds"
