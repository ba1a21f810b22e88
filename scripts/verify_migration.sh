#!/usr/bin/env bash
# verify_migration.sh [--env FILE] [--work-dir DIR] [--repair FILE]: compares every cell of the source with the target.
#
# With --repair, FILE gets what must be moved again, for ts-plan --from-repair.
# Exit 0: equal. 1: differences. 10: no verdict (an empty or unreadable side is never "equal").
set -euo pipefail
. "$(dirname "$0")/lib.sh"

work="" repair=""
while [ $# -gt 0 ]; do
  case $1 in
    --env) read_env "${2:?--env needs a file}"; shift 2 ;;
    --work-dir) work=${2:?--work-dir needs a directory}; shift 2 ;;
    --repair) repair=${2:?--repair needs a file}; shift 2 ;;
    -h | --help) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) die 2 "usage: verify_migration.sh [--env FILE] [--work-dir DIR] [--repair FILE]" ;;
  esac
done
: "${TS_SOURCE_URL:?set TS_SOURCE_URL, or give --env FILE}" "${TS_TARGET_URL:?set TS_TARGET_URL, or give --env FILE}"
work=${work:-${WORK_DIR:-./migration}}
tools_on_path
[ -n "$(tail -n +3 "$work/plan.tsv" 2>/dev/null)" ] || die 10 "$work/plan.tsv is missing or empty: there is nothing to compare"
export TS_END_MARK=1

# The target is read back: for influx-dump it is the source. Exported, so that no secret stands in a command line.
target() (
  unset TS_SOURCE_PASSWORD TS_SOURCE_TOKEN
  export TS_SOURCE_URL=$TS_TARGET_URL
  [ -z "${TS_TARGET_PASSWORD:-}" ] || export TS_SOURCE_PASSWORD=$TS_TARGET_PASSWORD
  [ -z "${TS_TARGET_TOKEN:-}" ] || export TS_SOURCE_TOKEN=$TS_TARGET_TOKEN
  exec "$@"
)

worst=0
: >"$work/verify.json" || die 7 "cannot write $work/verify.json"
again=()
if [ -n "$repair" ]; then
  again=(--repair "$repair.table")
  rm -f "$repair" "$repair.table" "$repair.tmp"
fi
while IFS= read -r table; do
  range=$(awk -F'\t' -v t="$table" 'NR > 2 && $2 == t { if (a == "" || $4 < a) a = $4; if ($5 > b) b = $5 } END { print a, b }' "$work/plan.tsv")
  since=${range% *} until=${range#* }
  code=0
  metrics=()
  if [ -n "${TS_METRICS_DIR:-}" ] && [ -w "$TS_METRICS_DIR" ]; then
    metrics=(--metrics-file "$TS_METRICS_DIR/tsferry-ts-verify-${table//[^A-Za-z0-9_.-]/_}.prom")
  fi
  # Both sides stream; a side that is cut or fails has no EOS, so it is no verdict rather than an equal one.
  # shellcheck disable=SC2086 # VERIFY_OPTIONS is a list of words
  ts-verify rows --out text "${metrics[@]}" "${again[@]}" --float32 auto --measurement "$table" ${VERIFY_OPTIONS:-} --summary-file "$work/verify.tmp" \
    <(td-dump --quiet --table "$table" --since "$since" --until "$until" -t arrow 2>"$work/logs/verify-source.log") \
    <(target influx-dump --quiet --measurement "$table" --since "$since" --until "$until" -t arrow 2>"$work/logs/verify-target.log") || code=$?
  [ "$code" -le 1 ] || grep -h ' error: ' "$work"/logs/verify-{source,target}.log >&2 || true
  [ ! -s "$work/verify.tmp" ] || cat "$work/verify.tmp" >>"$work/verify.json" || die 7 "cannot write $work/verify.json"
  rm -f "$work/verify.tmp"
  if [ -n "$repair" ] && [ -e "$repair.table" ]; then
    cat "$repair.table" >>"$repair.tmp" || die 7 "cannot write $repair.tmp"
    rm "$repair.table"
  fi
  [ "$code" -le "$worst" ] || worst=$code
done < <(tail -n +3 "$work/plan.tsv" | cut -f 2 | sort -u)
# Where a table had no verdict, the list is not complete.
[ -z "$repair" ] || [ "$worst" -gt 1 ] || mv "$repair.tmp" "$repair"
case $worst in
  0) echo "verdict: equal" ;;
  1) echo "verdict: DIFFERENT" ;;
  *) echo "verdict: none (exit $worst)" ;;
esac
exit "$worst"
