#!/usr/bin/env bash
# kill -9 in the middle of a migration, of every kind of process that takes part; a plan that grows in front after a
# crash; differences that are repaired; two migrations in one work directory; more and fewer splits at a time. After each: every
# split done once, no two at work on one at a time, and the verdict is equal.
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

# Two of them in one work directory: while the first runs, and both at the same instant after a kill.
target two
begin 2
code=0
migrate --resume >"$scratch/second" 2>&1 || code=$?
[ "$code" -eq 2 ] || fail "a second migration ends with $code"
grep -q "another run_migration.sh is at work here, process $running on " "$scratch/second" || fail "it is not said who is in the way"
kill -9 -- "-$running"
ended
before=$(times)
"$here/../run_migration.sh" --env "$env" --work-dir "$work" --resume >"$scratch/one" 2>&1 & one=$!
"$here/../run_migration.sh" --env "$env" --work-dir "$work" --resume >"$scratch/other" 2>&1 & other=$!
codes=""
for pid in "$one" "$other"; do
  code=0
  wait "$pid" || code=$?
  codes="$codes $code"
done
case $codes in
  " 0 2") refused=other holder=$one; cp "$scratch/one" "$scratch/out" ;;
  " 2 0") refused=one holder=$other; cp "$scratch/other" "$scratch/out" ;;
  *) cat "$scratch/one" "$scratch/other" >"$scratch/out"; fail "two --resume at once end with$codes" ;;
esac
grep -q "another run_migration.sh is at work here, process $holder on " "$scratch/$refused" || fail "the refused one does not name process $holder: $(cat "$scratch/$refused")"
untouched "two at once" "$before"
whole "two migrations in one work directory: one is refused, and names the other's process"

# More, and then fewer, splits at a time, through a file.
executors=(xargs)
if parallel --version 2>/dev/null | grep -q '^GNU parallel'; then executors+=(parallel); else skip "the number of jobs of GNU parallel: it is not installed"; fi
at_once() { ps -s "$running" -o pid=,ppid=,comm= | awk '{ comm[$1] = $3; parent[$1] = $2 } END { for (p in comm) if (comm[p] == "ts-run" && comm[parent[p]] != "ts-run") n++; print n + 0 }'; }
# reached least|most N: within 20 s; more than that only for a moment does not count.
reached() {
  local row=0 now end=$((SECONDS + 20))
  until [ "$row" -ge 5 ]; do
    [ $SECONDS -lt $end ] && kill -0 "$running" 2>/dev/null || return 1
    now=$(at_once)
    case $1 in
      least) [ "$now" -lt "$2" ] || row=$((row + 1)) ;;
      most) if [ "$now" -le "$2" ]; then row=$((row + 1)); else row=0; fi ;;
    esac
    sleep 0.02
  done
}
for executor in "${executors[@]}"; do
  target "jobs-$executor"
  printf '%s\n' "EXECUTOR=$executor" CONCURRENCY=1 >>"$env"
  begin 1
  reached most 1 || fail "$executor: more than one at a time"
  echo 4 >"$work/jobs"
  reached least 3 || fail "$executor: not more at a time after the file says so"
  echo 1 >"$work/jobs"
  reached most 1 || fail "$executor: not fewer at a time after the file says so"
  echo 3 >"$work/jobs"
  ended
  [ "$code" -eq 0 ] || fail "$executor: the migration ends with $code"
  whole "$executor: as many at a time as the file says, while it runs"
done

echo "test result: ok. $passed passed; 0 failed; migrations that are killed"
