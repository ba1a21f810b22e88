#!/usr/bin/env bash
# kill -9 in the middle of a migration, of every kind of process that takes part; a plan that grows in front after a
# crash; differences that are repaired; two migrations in one work directory. After each: every split done once, and the
# verdict is equal.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
tools_on_path

. "$here/../splits.sh"
. "$here/killing.sh"
begin_scratch

ts-gen sensors --rows 30000 --tables 50 --interval 10s --quiet -o "$scratch/sensors.csv" 2>/dev/null
# Each reply takes a while, so that there is a middle to be killed in.
simulate source tdengine --load "demo.sensors=$scratch/sensors.csv" --fault delay=20ms
source=tdengine://root@${url#http://}/demo window=2m
executor=$(executor)

target all
begin 5
kill -9 -- "-$running"
ended
resume "kill -9 of the scripts and the executor, then --resume"

target executor
begin 5
kill_one "$executor" || fail "no $executor is running"
ended
[ "$code" -eq 9 ] || fail "an executor that was killed ends the migration with $code"
grep -q 'windows failed' "$scratch/out" || fail "it is not said that splits are left"
resume "kill -9 of $executor alone, then --resume beside what it left running"

target runner
begin 5
kill_one ts-run || fail "no ts-run is running"
ended
[ "$code" -eq 9 ] || fail "a ts-run that was killed ends the migration with $code"
resume "kill -9 of ts-run, then --resume"

for stage in td-dump lp-encode influx-write; do
  target "$stage"
  begin 5
  kill_one "$stage" || fail "no $stage is running"
  ended
  [ "$code" -eq 0 ] || fail "a $stage that was killed ends the migration with $code"
  whole "kill -9 of $stage: ts-run tries the split again by itself"
  grep -q '"what":"failed"' "$work/journal.jsonl" || fail "the attempt that was killed is not in the journal"
done

# Killed again and again, at moments that nobody chose.
target often
begin 1
for _ in 1 2 3 4 5; do
  sleep "0.$((RANDOM % 9))"
  kill -9 -- "-$running" 2>/dev/null || true
  ended
  [ "$(receipts)" -lt "$(splits)" ] || break
  begin "$(receipts)" --resume
done
kill -9 -- "-$running" 2>/dev/null || true
ended
resume "kill -9 six times, then --resume"

# The plan gets a split in front of all others after a crash: nothing hangs on the place of a split.
target front
migrate --dry-run >"$scratch/out" 2>&1 || fail "no plan"
cp "$work/plan.tsv" "$scratch/plan.tsv"
sed -i 3d "$work/plan.tsv"
begin 5 --resume
kill -9 -- "-$running"
ended
[ "$(splits)" -eq $(($(tail -n +3 "$scratch/plan.tsv" | wc -l) - 1)) ] || fail "the plan was not a split shorter"
cp "$scratch/plan.tsv" "$work/plan.tsv"
resume "a split inserted in front of the plan after a crash"

# One value altered in the target: exactly its split is moved again.
printf 'sensors,device_id=device_0001,location=Shanghai temperature=99.5 1704067200000000000\n' |
  influx-write --quiet --url "$(sed -n 's/^TS_TARGET_URL=//p' "$env")" 2>/dev/null
code=0
migrate --resume >"$scratch/out" 2>&1 || code=$?
[ "$code" -eq 1 ] || fail "an altered value: exit $code"
ok "an altered value is found"
migrate --resume --repair >"$scratch/out" 2>&1 || fail "--repair ends with $?"
grep -q "repairing: 1 of $(splits) windows again" "$scratch/out" || fail "not exactly one split was moved again"
whole "--repair moves the split that differs, and verifies again"

# Two of them in one work directory.
target two
begin 2
code=0
migrate --resume >"$scratch/second" 2>&1 || code=$?
[ "$code" -eq 2 ] || fail "a second migration ends with $code"
grep -q "another run_migration.sh is at work here, process $running on " "$scratch/second" || fail "it is not said who is in the way"
ended
[ "$code" -eq 0 ] || fail "the first migration ends with $code"
whole "a second migration in the same work directory is refused"

echo "test result: ok. $passed passed; 0 failed; migrations that are killed"
