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

round || fail "the first round ends with $?"
grep -q 'moved 480 rows' "$scratch/out" || fail "the first round does not move all"
for number in 1 2 3 4 5 6 7 8 9; do
  insert $((number * 120 + 7)) "$number.5" # late: between rows that were moved before
  insert 0 "$number.25"                    # an update of the newest one, and new where there was none
  insert $((-number)) "$number.75"         # new; in the next seconds
  sleep 1
  round || fail "round $number ends with $?"
  grep -q 'verdict: equal' "$scratch/out" || fail "round $number: not equal"
  moved=$(sum_of rows <"$work/summary.json")
  [[ $moved -gt 0 && $moved -le 200 ]] || fail "round $number moved $moved rows"
done
say "ok: nine more rounds, each equal, each no more than the lateness zone"
passed=$((passed + 10))

# Nothing that arrived is missing, far beyond the last round's zone.
code=0
TS_SOURCE_PASSWORD=taosdata ts-verify rows --out text --float32 auto --measurement sensors --until "${now}s" \
  <(td-dump --quiet --url "tdengine://root@${base#http://}/demo" --table sensors --until "${now}s" -t arrow 2>/dev/null) \
  <(influx-dump --quiet --url "influx1+$url/demo" --measurement sensors --until "${now}s" -t arrow 2>/dev/null) >"$scratch/out" 2>&1 || code=$?
[ "$code" -eq 0 ] || fail "after all rounds: ts-verify ends with $code"
passed=$((passed + 1))
say "ok: after all rounds the whole history is equal"

if command -v systemd-analyze >/dev/null; then
  # Where this machine has no /opt/tsferry, that is all it may say.
  systemd-analyze verify "$here/../systemd/tsferry@.service" "$here/../systemd/tsferry@.timer" >"$scratch/out" 2>&1 || true
  if grep 'tsferry@' "$scratch/out" | grep -v 'is not executable'; then fail "the systemd units are not valid"; fi
  passed=$((passed + 1))
else
  skip "the systemd units: systemd-analyze is not installed"
fi
echo "test result: ok. $passed passed; 0 failed; incremental rounds"
