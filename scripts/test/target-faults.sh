#!/usr/bin/env bash
# A migration whose target goes away in the middle for OUTAGE seconds (4), and comes back: it ends by itself, every split is
# done once, every cell is equal, the target saw no more requests than it must, and the report tells which splits had to
# wait. Then a target that throttles and hangs up all the time; and what is left when all is killed during an outage.
# The same troubles one by one, at the tool: tools/influx-write/tests/trouble.rs.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
tools_on_path
outage=${OUTAGE:-4}
begin_scratch
before_end() { [ -z "${running:-}" ] || kill -9 -- "-$running" 2>/dev/null || true; }
passed=0
ok() { passed=$((passed + 1)); say "ok: $* ($SECONDS s)"; }
fail() { cat "$scratch/out" >&2; die 1 "$*"; }

rows=24000
ts-gen sensors --rows $rows --tables 20 --interval 10s --quiet -o "$scratch/sensors.csv" 2>/dev/null
simulate source tdengine --load "demo.sensors=$scratch/sensors.csv"
source=$url

# target NAME ARGS…: a fresh target with these faults, its environment file $env, its work directory $work.
target() {
  local name=$1
  shift
  simulate "$name" influx --flavor 1.8 --database demo --log-requests "$scratch/$name.requests" "$@"
  requests=$scratch/$name.requests env=$scratch/env-$name work=$scratch/work-$name metrics=$scratch/metrics-$name
  mkdir "$metrics"
  cat >"$env" <<END
TS_SOURCE_URL=tdengine://root@${source#http://}/demo
TS_SOURCE_PASSWORD=taosdata
TS_TARGET_URL=influx1+$url/demo
WINDOW=30m
CONCURRENCY=2
RUN_OPTIONS=--retry-wait 200ms
WRITE_OPTIONS=--batch-rows 200
TS_METRICS_DIR=$metrics
METRICS_EVERY=300ms
END
}
set_key() { sed -i "s#^$1=.*#$1=$2#" "$env"; }
migrate() { "$here/../run_migration.sh" --env "$env" --work-dir "$work" "$@"; }
receipts() { find "$work/done" -name '*.json' 2>/dev/null | wc -l; }
splits() { tail -n +3 "$work/plan.tsv" | wc -l; }
writes() { grep -c '"path":"/write"' "$requests" || true; }
# door: the proxy that stands before the target, where it stood before.
door() {
  ts-sim proxy --quiet --upstream "$url" --listen "127.0.0.1:${port:-0}" --ready-file "$scratch/door.url" >/dev/null 2>"$scratch/door.log" &
  door=$!
  pids+=("$door")
  wait_for "$scratch/door.url" 60 "$door" || die 70 "the proxy does not start: $(cat "$scratch/door.log")"
  port=$(sed 's/.*://' "$scratch/door.url")
}
close_door() {
  kill -9 "$door"
  wait "$door" 2>/dev/null || true
  rm -f "$scratch/door.url"
}
# begin N: a migration in a session of its own, until N splits are done.
begin() {
  setsid "$here/../run_migration.sh" --env "$env" --work-dir "$work" "${@:2}" >"$scratch/out" 2>&1 &
  running=$!
  until [ "$(receipts)" -ge "$1" ]; do
    kill -0 "$running" 2>/dev/null || fail "the migration ended before the target went away"
    sleep 0.02
  done
}
# interrupt: closes the door when splits that are on their way have been answered.
interrupt() {
  local so_far
  so_far=$(writes)
  until [ "$(writes)" -ge $((so_far + 6)) ]; do sleep 0.02; done
  close_door
}
# told: until the metrics say that the target is down.
told() {
  local end=$((SECONDS + 60))
  until grep -hqs '^tsferry_target_down.* 1$' "$metrics"/*.prom; do
    [ $SECONDS -lt $end ] || fail "no metric says that the target is down"
    sleep 0.1
  done
}
# whole WHAT: every split done once, and the verdict is equal.
whole() {
  [ "$(receipts)" -eq "$(splits)" ] || fail "$1: $(receipts) receipts for $(splits) splits"
  [ -z "$(grep -o '"id":"[0-9a-f]*","what":"done"' "$work/journal.jsonl" | sort | uniq -d)" ] || fail "$1: a split was done twice"
  grep -q "moved $rows rows in $(splits) windows, 0 rejected" "$scratch/out" || fail "$1: other rows were moved"
  grep -q '^verdict: equal$' "$scratch/out" || fail "$1: not verified equal"
}

# The target goes away.
target away
door
set_key TS_TARGET_URL "influx1+http://127.0.0.1:$port/demo"
set_key WRITE_OPTIONS "--batch-rows 200 --rate-limit 2000rows/s"
begin 1
interrupt
before=$(receipts)
sleep "$outage"
during=$(receipts)
told
door
code=0
wait "$running" || code=$?
[ "$code" -eq 0 ] || fail "a target that was away for $outage s ends the migration with $code"
whole "a target that is away for $outage s"
# Those that were in their last reply when the door was closed.
[ $((during - before)) -le 2 ] || fail "$((during - before)) splits were done without a target"
needed=$((rows / 200 + $(splits) * 9))
[ "$(writes)" -le $((needed + 2 * 16)) ] || fail "$(writes) requests to write, $needed would do"
ts-state report --dir "$work" >"$scratch/report" 2>/dev/null || fail "the report ends with $?"
waited=$(sed -n 's/^split .*, target down for \(.*\) s$/\1/p' "$scratch/report" | sort -n | tail -n 1)
[ "$(echo "${waited:-0}" | cut -d . -f 1)" -ge $((outage - 2)) ] || fail "the report does not tell of the outage: $(cat "$scratch/report")"
! grep -hq '^tsferry_target_down.* 1$' "$metrics"/*.prom || fail "a metric still says that the target is down"
ok "a target that is away for $outage s: $(splits) splits once, equal, $(writes) requests; the report: down for $waited s"
close_door

# A target that is in trouble all the time.
port=
target busy --fault status=429:retry-after=1@4-6/write --fault status=503@12-17/write --fault reset-upload@30-32/write \
  --fault lost-reply@40-43/write --fault delay=300ms@50-60/write --fault cut-body@70-72/write --fault status=500@80/write
code=0
migrate >"$scratch/out" 2>&1 || code=$?
[ "$code" -eq 0 ] || fail "a target in trouble ends the migration with $code"
whole "a target in trouble"
[ "$(writes)" -le $((needed + 3 + 6 + 3 * 2 + 4 + 3 + 1)) ] || fail "$(writes) requests to write, $needed would do"
total=$(ts-state report --dir "$work" 2>/dev/null | awk '$1 == "throttled" { print $2 }')
each=$(ts-state report --dir "$work" 2>/dev/null | awk '$1 == "split" { n += $3 } END { print n + 0 }')
[ "$total $each" = "9 9" ] || fail "9 requests were throttled, the report tells $total, of the splits $each"
ok "429, 503, resets, lost replies, slow ones: $(splits) splits once, equal, $(writes) requests, 9 throttled as the report tells"

# All is killed while the target is away: nothing goes on writing, and --resume does what is left.
target killed
door
set_key TS_TARGET_URL "influx1+http://127.0.0.1:$port/demo"
set_key WRITE_OPTIONS "--batch-rows 200 --rate-limit 2000rows/s"
begin 1
interrupt
sleep 1
kill -9 -- "-$running"
wait "$running" 2>/dev/null || true
for _ in $(seq 150); do
  left=$(ps -s "$running" -o stat= | awk '$1 !~ /^Z/ { n++ } END { print n + 0 }')
  [ "$left" -gt 0 ] || break
  sleep 0.1
done
[ "$left" -eq 0 ] || fail "left alive: $(ps -s "$running" -o pid=,args=)"
door
set_key WRITE_OPTIONS "--batch-rows 200"
code=0
migrate --resume >"$scratch/out" 2>&1 || code=$?
[ "$code" -eq 0 ] || fail "--resume after an outage ends with $code"
whole "killed in an outage"
ok "killed in an outage: nobody is left, and --resume does the rest"

echo "test result: ok. $passed passed; 0 failed; targets in trouble"
