#!/usr/bin/env bash
# run_migration.sh --env FILE [--work-dir DIR] [--resume | --restart] [--dry-run]
#
# Moves a TDengine database into InfluxDB: check, plan windows, run one pipeline per window, verify every cell, report.
# Each window leaves a receipt in DIR/done; a run that was killed goes on with --resume and repeats only what has none.
# The keys of FILE are explained in scripts/README.md.
#
# Exit 0: verified equal. 1: differences were found. 4, 5, 6…: as the tool that failed (see its --help).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

work="" env="" mode="" dry=false
while [ $# -gt 0 ]; do
  case $1 in
    --env) env=${2:?--env needs a file}; shift 2 ;;
    --work-dir) work=${2:?--work-dir needs a directory}; shift 2 ;;
    --resume | --restart) mode=${1#--}; shift ;;
    --dry-run) dry=true; shift ;;
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
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
options=$(printf '%s\n' "source=$TS_SOURCE_URL" "target=$TS_TARGET_URL" "tables=${TABLES:-}" "since=${SINCE:-}" \
  "until=${UNTIL:-}" "window=${WINDOW:-1d}" "encode=${ENCODE_OPTIONS:-}")
if [ -e "$work/plan.tsv" ]; then
  case $mode in
    resume)
      [ "$options" = "$(cat "$work/options")" ] ||
        die 2 "$work was planned with other options: $(diff <(cat "$work/options") <(printf '%s\n' "$options") | sed -n 's/^> //p' | tr '\n' ' ')"
      ;;
    restart) rm -rf "$work/plan.tsv" "$work/done" "$work/logs" "$work/rejects" "$work/options" ;;
    *) die 2 "$work holds an earlier migration: give --resume to go on with it, or --restart to forget it" ;;
  esac
fi
mkdir -p "$work/done" "$work/logs" "$work/rejects"
export WORK=$work

# --- check and plan -----------------------------------------------------------------------------------------------
say "1/4 checking the source"
"$here/check_tdengine.sh" >&2
if [ ! -e "$work/plan.tsv" ]; then
  say "2/4 planning windows of ${WINDOW:-1d}"
  printf '%s\n' "$options" >"$work/options"
  "$here/plan_windows.sh" >"$work/plan.tmp"
  mv "$work/plan.tmp" "$work/plan.tsv"
else
  say "2/4 the plan exists: going on with it"
fi
total=$(wc -l <"$work/plan.tsv")
if $dry; then
  cat "$work/plan.tsv"
  exit 0
fi

# --- run ----------------------------------------------------------------------------------------------------------
say "3/4 running $total windows, $CONCURRENCY at a time"
# shellcheck disable=SC2086 # a list of words
influx-write --create --quiet ${WRITE_OPTIONS:-} </dev/null 2>"$work/logs/create.log" || die $? "the target cannot be prepared: $(grep error "$work/logs/create.log")"
failed=0
rm -f "$work/logs/last-exit"
cut -f1 "$work/plan.tsv" | xargs -r -n 1 -P "$CONCURRENCY" "$here/migrate_window.sh" || failed=$?
done_count=$(find "$work/done" -name '*.json' | wc -l)
if [ "$done_count" -lt "$total" ]; then
  code=$(cat "$work/logs/last-exit" 2>/dev/null || echo 70)
  die "$code" "$((total - done_count)) of $total windows failed (xargs $failed): mend the cause and run again with --resume (messages: $work/logs)"
fi
rows=$(cat "$work"/done/*.json | sum_of rows)
rejected=$(cat "$work"/done/*.json | sum_of rejected)
printf '{"windows":%s,"rows":%s,"rejected":%s}\n' "$total" "$rows" "$rejected" >"$work/summary.json"
say "moved $rows rows in $total windows, $rejected rejected"

# --- verify -------------------------------------------------------------------------------------------------------
say "4/4 verifying every cell"
code=0
"$here/verify_migration.sh" --work-dir "$work" || code=$?
say "report: $work/summary.json, $work/verify.json"
exit $code
