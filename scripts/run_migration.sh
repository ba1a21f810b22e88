#!/usr/bin/env bash
# run_migration.sh --env FILE [--work-dir DIR] [--resume | --restart | --incremental] [--repair] [--dry-run]
#
# Moves a TDengine database into InfluxDB: check, plan splits, run one pipeline per split, verify every cell, report.
# Each split leaves a receipt in DIR/done; a run that was killed goes on with --resume and repeats only what has none.
# With --repair the splits that hold a difference are moved again, and everything is verified once more.
# With --incremental, a migration that is done goes on with what has arrived since: a round for cron or a systemd timer.
# The keys of FILE are explained in scripts/README.md.
#
# Exit 0: verified equal. 1: differences were found. 4, 5, 6…: as the tool that failed (see its --help).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/splits.sh"

work="" env="" mode="" dry=false repair=false
while [ $# -gt 0 ]; do
  case $1 in
    --env) env=${2:?--env needs a file}; shift 2 ;;
    --work-dir) work=${2:?--work-dir needs a directory}; shift 2 ;;
    --resume | --restart | --incremental) mode=${1#--}; shift ;;
    --repair) repair=true; shift ;;
    --dry-run) dry=true; shift ;;
    -h | --help) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) die 2 "unknown argument '$1' (see --help)" ;;
  esac
done
[ -n "$env" ] || die 2 "give --env FILE (its keys are explained in scripts/README.md)"
read_env "$env"
: "${TS_SOURCE_URL:?$env: TS_SOURCE_URL is missing}" "${TS_TARGET_URL:?$env: TS_TARGET_URL is missing}"
work=${work:-${WORK_DIR:-./migration}}
export CONCURRENCY=${CONCURRENCY:-2}
tools_on_path

# --- the work directory -------------------------------------------------------------------------------------------
mkdir -p "$work" || die 7 "cannot make the work directory $work"
# Two of them in one work directory would be in each other's way; the lock ends with this process, however it ends (what
# it has started may need a moment to end, too).
{ exec 9<>"$work/.lock"; } || die 7 "cannot write in $work"
flock -w 2 9 ||
  die 2 "$work: another run_migration.sh is at work here, process $(head -n 1 "$work/.lock"): wait for it, or end it"
room "$work" || die 7 "no file can be written in $work: make room, or give the right to; then go on with --resume"
printf '%s\n' "$$ on $(uname -n)" >"$work/.lock"
options=$(printf '%s\n' "source=$(without_password "$TS_SOURCE_URL")" "target=$(without_password "$TS_TARGET_URL")" \
  "tables=${TABLES:-}" "since=${SINCE:-}" "until=${UNTIL:-}" "window=${WINDOW:-1d}" "plan=${PLAN_OPTIONS:-}" "encode=${ENCODE_OPTIONS:-}")
if [ -e "$work/plan.tsv" ]; then
  case $mode in
    resume | incremental)
      [ "$options" = "$(cat "$work/options")" ] ||
        die 2 "$work was planned with other options: $(diff <(cat "$work/options") <(printf '%s\n' "$options") | sed -n 's/^> //p' | tr '\n' ' ')"
      ;;
    restart)
      (cd "$work" && rm -rf plan.tsv options pipeline.sh "done" failed skipped lock logs rejects journal.jsonl repair-* \
        summary.json verify.json repair.jsonl)
      ;;
    *) die 2 "$work holds an earlier migration: give --resume to go on with it, or --restart to forget it" ;;
  esac
fi
mkdir -p "$work/logs"

# --- check and plan -----------------------------------------------------------------------------------------------
say "1/4 checking the source"
"$here/check_tdengine.sh" >&2
if [ ! -e "$work/plan.tsv" ]; then
  say "2/4 planning windows of ${WINDOW:-1d}"
  printf '%s\n' "$options" | put "$work/options"
  plan_splits -o "$work/plan.tsv"
elif [ "$mode" = incremental ] && [ "$(left "$work")" -eq 0 ]; then
  say "2/4 planning the next round"
  plan_splits --since-state "$work" --lateness "${LATENESS:-1h}" --settle "${SETTLE:-1m}" -o "$work/plan.tsv"
else
  # Also a round that was killed: it ends before the next one begins.
  say "2/4 the plan exists: going on with it"
fi
if $dry; then
  cat "$work/plan.tsv"
  exit 0
fi
# Who says --resume has mended what was wrong: splits that had failed for good are tried again, too.
[ -z "$mode" ] || [ -z "$(ls "$work/failed" 2>/dev/null)" ] || ts-state retry --quiet --dir "$work" failed 2>/dev/null

# --- metrics ------------------------------------------------------------------------------------------------------
# Written again and again by a process that ends with this one, however this one ends: it reads a pipe that only this
# script, and what it starts, hold.
metrics=""
if [ -n "${TS_METRICS_DIR:-}" ]; then
  if [ -d "$TS_METRICS_DIR" ] && [ -w "$TS_METRICS_DIR" ]; then
    TS_METRICS_DIR=$(cd "$TS_METRICS_DIR" && pwd)
    TS_MIGRATION=${TS_MIGRATION:-$(basename "$(cd "$work" && pwd)")}
    export TS_METRICS_DIR TS_MIGRATION
    metrics=$TS_METRICS_DIR/tsferry-migration-${TS_MIGRATION//[^A-Za-z0-9_.-]/_}.prom
    exec {ticker}> >(TS_RUNNER_FD=0 exec ts-state metrics --quiet --dir "$work" --every "${METRICS_EVERY:-15s}" -o "$metrics" >/dev/null 2>&1 9>&-)
    # shellcheck disable=SC2317 # called by the trap
    last_metrics() {
      exec {ticker}>&-
      ts-state metrics --quiet --dir "$work" -o "$metrics" 2>/dev/null || say "$metrics cannot be written"
    }
    trap last_metrics EXIT
  else
    say "TS_METRICS_DIR=$TS_METRICS_DIR is no directory that can be written: there will be no metrics"
    unset TS_METRICS_DIR
  fi
fi

# --- run ----------------------------------------------------------------------------------------------------------
say "3/4 running $(ts-state pending --dir "$work" --quiet 2>/dev/null | wc -l) of $(count_splits "$work") windows, $CONCURRENCY at a time"
# shellcheck disable=SC2086 # a list of words
influx-write --create --quiet ${WRITE_OPTIONS:-} </dev/null 2>"$work/logs/create.log" || die $? "the target cannot be prepared: $(grep error "$work/logs/create.log")"
write_pipeline "$work"
run_splits "$work"
left_out=0
report "$work" || left_out=$?

# --- verify, and repair -------------------------------------------------------------------------------------------
say "4/4 verifying every cell"
code=0
if $repair; then
  list=$work/repair.jsonl
  "$here/verify_migration.sh" --work-dir "$work" --repair "$list" 9>&- || code=$?
  if [ "$code" -eq 1 ]; then
    number=1
    while [ -e "$work/repair-$number" ]; do number=$((number + 1)); done
    again=$work/repair-$number
    mkdir -p "$again"
    ts-plan --quiet --from-repair "$list" --plan "$work/plan.tsv" -o "$again/plan.tsv" ||
      die 1 "the differences cannot be repaired by moving splits again: see the line above"
    say "repairing: $(count_splits "$again") of $(count_splits "$work") windows again"
    write_pipeline "$again"
    run_splits "$again"
    report "$again" || left_out=$?
    say "verifying every cell again"
    code=0
    "$here/verify_migration.sh" --work-dir "$work" --repair "$list" 9>&- || code=$?
  fi
else
  "$here/verify_migration.sh" --work-dir "$work" 9>&- || code=$?
fi
say "report: $work/summary.json, $work/verify.json"
[ "$code" -ne 0 ] || code=$left_out
exit "$code"
