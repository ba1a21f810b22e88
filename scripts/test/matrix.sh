#!/usr/bin/env bash
# matrix.sh [--splits N] [--kills N] [--each] [--seed N]: the kill matrix.
#
# A migration of N splits, three at a time, is hit by `kill -9` at N random moments: of everything, of the executor (xargs, and
# GNU parallel where it is installed), of ts-run, and of each stage. After each kill it goes on with --resume, sometimes beside
# what the killed one has left running. At the end every split was done once, no finished split was touched, no two processes
# wrote one split at the same time, none after its receipt (as the target's log has it), and both sides are equal.
# With --each every kind of kill has a migration of its own, with N kills. The seed makes the moments; it is printed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
. "$here/../splits.sh"
. "$here/killing.sh"

many=40 kills=8 each=false seed=$((RANDOM * 32768 + RANDOM))
while [ $# -gt 0 ]; do
  case $1 in
    --splits) many=${2:?}; shift 2 ;;
    --kills) kills=${2:?}; shift 2 ;;
    --each) each=true; shift ;;
    --seed) seed=${2:?}; shift 2 ;;
    *) die 2 "usage: matrix.sh [--splits N] [--kills N] [--each] [--seed N]" ;;
  esac
done
tools_on_path
begin_scratch
RANDOM=$seed
say "seed $seed"

# The check itself, with real writers: it sees two at once, and one after its receipt, and nothing where there is nothing.
work=$scratch/none env=/dev/null
write() { seq 200 | sed 's/.*/m f=& &/' | TS_SPLIT_ID=$1 influx-write --quiet --url "influx1+$url/d" --batch-rows 20 2>/dev/null; }
simulate check influx --flavor 1.8 --database d --fault delay=10ms --log-requests "$scratch/log"
write a
write a
write b & write c
wait "$!"
[ "$(write_spans "$scratch/log" | cut -d ' ' -f 1,2 | sort | uniq -c | awk '{ print $1, $2 }' | tr '\n' ' ')" = "10 a 10 a 10 b 10 c " ] ||
  fail "40 writes of four processes were not told apart"
writers "$scratch/log" >"$scratch/out" || fail "two writers at once were seen where there was one after the other"
mkdir -p "$work/done" && touch "$work/done/a.json" "$work/done/c.json"
late_writes "$scratch/log" >"$scratch/out" || fail "writes before the receipt were taken for late ones"
sleep 0.02
write c
! late_writes "$scratch/log" >"$scratch/out" || fail "writes after the receipt were not seen"
write b & write b
wait "$!"
! writers "$scratch/log" >"$scratch/out" || fail "two writers at the same time were not seen"
ok "the check of the target's log sees two writers at once, and writes after a receipt"

# 6000 s of data: windows as wide as make so many splits.
ts-gen sensors --rows 30000 --tables 50 --interval 10s --quiet -o "$scratch/sensors.csv" 2>/dev/null
simulate source tdengine --load "demo.sensors=$scratch/sensors.csv" --fault delay=15ms
source=tdengine://root@${url#http://}/demo window=$((6000 / many))s

# moment: up to so many seconds, in steps of a hundredth.
moment() { printf '%d.%02d' $((RANDOM % 100 * $1 / 10000)) $((RANDOM % 100 * $1 / 100 % 100)); }
alive() { kill -0 "$running" 2>/dev/null; }

# halt: whatever still runs of the migration is ended as by Ctrl-C; what it had finished is as it was.
halt() {
  if alive; then kill -TERM -- "-$running" 2>/dev/null || true; fi
  ended
  untouched "$name" "$known"
  known=$(times)
}
again() { halt; begin 0 --resume; resumed=$((resumed + 1)); }

# strike KIND: true if one was hit.
strike() {
  case $1 in
    # The session, as when the power goes; twice, for what was just being started.
    all) for _ in 1 2; do ps -s "$running" -o pid= | xargs -r kill -9 2>/dev/null || true; done ;;
    executor)
      kill_one "$EXECUTOR" || return 1
      # And the scripts with it, so that the next one comes while the orphans still work.
      [ $((RANDOM % 2)) -eq 0 ] || kill -9 "$running" 2>/dev/null || true
      ;;
    *) kill_one "$1" ;;
  esac
}

# hits NAME KIND…: a migration with $kills kills, of these kinds in turn.
hits() {
  local kinds=("${@:2}") at=0 resumed=0 tries kind known name=$1 receipts_at
  local -A struck=()
  target "$name" --fault delay=20ms@1-1000000/write
  # Several writes a split, so that a kill finds some of them done.
  printf '%s\n' "EXECUTOR=$EXECUTOR" "WRITE_OPTIONS=--batch-rows 25" >>"$env"
  known=""
  begin 1
  # Moments of the progress, and a little later: none so late that nothing is left to be killed.
  for receipts_at in $(for _ in $(seq "$kills"); do echo $((RANDOM % (many - 6))); done | sort -n); do
    kind=${kinds[$((at % ${#kinds[@]}))]} at=$((at + 1))
    for tries in 1 2 3 4 5 0; do
      until [ "$(receipts)" -ge "$receipts_at" ]; do
        alive || again
        sleep 0.01
      done
      sleep "$(moment 20)"
      alive || again
      if strike "$kind"; then break; fi
      [ "$tries" -ne 0 ] || fail "$name: no $kind could be killed"
    done
    struck[$kind]=$((${struck[$kind]:-0} + 1))
    # Now and then it has the time to go on by itself.
    sleep "$(moment 30)"
    again
  done
  ended
  untouched "$name" "$known"
  if [ "$code" -eq 0 ]; then
    late_writes "$requests" >"$scratch/writers" || fail "$name: $(head -n 3 "$scratch/writers")"
    whole "$name: $kills kills"
  else
    resume "$name: $kills kills"
  fi
  say "$name: $(splits) splits, $(for kind in "${!struck[@]}"; do printf '%s %s, ' "${struck[$kind]}" "$kind"; done)resumed $resumed times;" \
    "$(grep -c '"what":"started"' "$work/journal.jsonl") attempts, $(receipts) receipts, $(write_spans "$requests" | cut -d ' ' -f 1,2 | sort -u | wc -l) writers," \
    "$(write_spans "$requests" | wc -l) writes"
}

kinds=(all executor ts-run td-dump lp-encode influx-write)
executors=(xargs)
if parallel --version 2>/dev/null | grep -q '^GNU parallel'; then executors+=(parallel); else skip "kills of GNU parallel: it is not installed"; fi
for EXECUTOR in "${executors[@]}"; do
  if $each; then
    for kind in "${kinds[@]}"; do hits "$EXECUTOR-$kind" "$kind"; done
  else
    hits "$EXECUTOR" "${kinds[@]}"
  fi
done
echo "test result: ok. $passed passed; 0 failed; the kill matrix (seed $seed)"
