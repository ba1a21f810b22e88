#!/usr/bin/env bash
# kill -9 in the middle of a migration, of every kind of process that takes part; a plan that grows in front after a
# crash; differences that are repaired; two migrations in one work directory. After each: every split done once, and the
# verdict is equal.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
tools_on_path

begin_scratch
before_end() { [ -z "${running:-}" ] || kill -9 -- "-$running" 2>/dev/null || true; }
passed=0
ok() { passed=$((passed + 1)); say "ok: $*"; }
fail() { cat "$scratch/out" >&2; die 1 "$*"; }

ts-gen sensors --rows 30000 --tables 50 --interval 10s --quiet -o "$scratch/sensors.csv" 2>/dev/null
# Each reply takes a while, so that there is a middle to be killed in.
simulate source tdengine --load "demo.sensors=$scratch/sensors.csv" --fault delay=20ms
source=tdengine://root@${url#http://}/demo

# target NAME: a fresh target, its environment file $env, its work directory $work.
target() {
  simulate "target-$1" influx --flavor 1.8 --database demo
  env=$scratch/env-$1 work=$scratch/work-$1
  cat >"$env" <<END
TS_SOURCE_URL=$source
TS_SOURCE_PASSWORD=taosdata
TS_TARGET_URL=influx1+$url/demo
WINDOW=2m
CONCURRENCY=3
RUN_OPTIONS=--retry-wait 100ms --lock-wait 10s
VERIFY_OPTIONS=--bucket 2m
END
}
migrate() { "$here/../run_migration.sh" --env "$env" --work-dir "$work" "$@"; }
receipts() { find "$work/done" -name '*.json' 2>/dev/null | wc -l; }
splits() { tail -n +3 "$work/plan.tsv" | wc -l; }

# begin N: a migration in a session of its own, until N splits are done.
begin() {
  setsid "$here/../run_migration.sh" --env "$env" --work-dir "$work" "${@:2}" >"$scratch/out" 2>&1 &
  running=$!
  until [ "$(receipts)" -ge "$1" ]; do
    kill -0 "$running" 2>/dev/null || fail "the migration ended before it could be killed"
    sleep 0.01
  done
}
# kill_one NAME: kills one process of this name in the migration's session, and no other.
kill_one() {
  local pid
  for _ in $(seq 500); do
    # A child that is still to become another program has its parent's name: it is not meant.
    pid=$(ps -s "$running" -o pid=,ppid=,comm= |
      awk -v name="$1" '{ comm[$1] = $3; parent[$1] = $2 } END { for (p in comm) if (comm[p] == name && comm[parent[p]] != name) { print p; exit } }')
    # One that is about to end may still be listed: only what stops is alive.
    if [ -n "$pid" ] && kill -STOP "$pid" 2>/dev/null; then
      until [[ $(ps -o stat= "$pid") =~ ^(T|Z|$) ]]; do sleep 0.01; done
      if [[ $(ps -o stat= "$pid") == T* ]]; then
        kill -9 "$pid"
        return 0
      fi
    fi
    sleep 0.01
  done
  fail "no $1 is running"
}
# ended: the exit code of the migration that was begun.
ended() { code=0; wait "$running" 2>/dev/null || code=$?; running=; }

# whole NAME: every split has its receipt and was done once, and both sides are equal.
whole() {
  grep -q 'verdict: equal' "$scratch/out" || fail "$1: not equal"
  [ "$(receipts)" -eq "$(splits)" ] || fail "$1: $(receipts) receipts of $(splits) splits"
  local twice
  twice=$(grep '"what":"done"' "$work/journal.jsonl" | grep -oE '"id":"[^"]*"' | sort | uniq -d)
  [ -z "$twice" ] || fail "$1: done twice: $twice"
  ok "$1"
}
# resume NAME [ARGS…]: goes on, to the end.
resume() {
  local before after
  before=$(find "$work/done" -name '*.json' -printf '%f %T@\n' | sort)
  migrate --resume "${@:2}" >"$scratch/out" 2>&1 || fail "$1: --resume ends with $?"
  after=$(find "$work/done" -name '*.json' -printf '%f %T@\n' | sort)
  [ -z "$(comm -23 <(printf '%s\n' "$before") <(printf '%s\n' "$after"))" ] || fail "$1: a finished split was run again"
  whole "$1"
}

target all
begin 5
kill -9 -- "-$running"
ended
resume "kill -9 of the scripts and the executor, then --resume"

target executor
begin 5
kill_one xargs
ended
[ "$code" -eq 9 ] || fail "an executor that was killed ends the migration with $code"
grep -q 'windows failed' "$scratch/out" || fail "it is not said that splits are left"
resume "kill -9 of xargs alone, then --resume beside what it left running"

target runner
begin 5
kill_one ts-run
ended
[ "$code" -eq 9 ] || fail "a ts-run that was killed ends the migration with $code"
resume "kill -9 of ts-run, then --resume"

for stage in td-dump lp-encode influx-write; do
  target "$stage"
  begin 5
  kill_one "$stage"
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
grep -q "another run_migration.sh" "$scratch/second" || fail "it is not said who is in the way"
ended
[ "$code" -eq 0 ] || fail "the first migration ends with $code"
whole "a second migration in the same work directory is refused"

echo "test result: ok. $passed passed; 0 failed; migrations that are killed"
