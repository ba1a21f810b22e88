#!/usr/bin/env bash
# verify_migration.sh [--env FILE] [--work-dir DIR]: compares every cell of the source with the target.
#
# Exit 0: equal. 1: differences, shown as JSON lines. 10: no verdict (an empty or unreadable side is never "equal").
set -euo pipefail
. "$(dirname "$0")/lib.sh"

work=
while [ $# -gt 0 ]; do
  case $1 in
    --env) read_env "${2:?--env needs a file}"; shift 2 ;;
    --work-dir) work=${2:?--work-dir needs a directory}; shift 2 ;;
    -h | --help) sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) die 2 "usage: verify_migration.sh [--env FILE] [--work-dir DIR]" ;;
  esac
done
: "${TS_SOURCE_URL:?set TS_SOURCE_URL, or give --env FILE}" "${TS_TARGET_URL:?set TS_TARGET_URL, or give --env FILE}"
work=${work:-${WORK_DIR:-./migration}}
tools_on_path
[ -s "$work/plan.tsv" ] || die 10 "$work/plan.tsv is missing or empty: there is nothing to compare"
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
: >"$work/verify.json"
while IFS= read -r table; do
  range=$(awk -F'\t' -v t="$table" '$2 == t { if (a == "" || $3 < a) a = $3; if ($4 > b) b = $4 } END { print a, b }' "$work/plan.tsv")
  since=${range% *} until=${range#* }
  code=0
  # Both sides stream; a side that is cut or fails has no EOS, so it is no verdict rather than an equal one.
  # shellcheck disable=SC2086 # VERIFY_OPTIONS is a list of words
  ts-verify rows --out text --float32 auto --measurement "$table" ${VERIFY_OPTIONS:-} --summary-file "$work/verify.tmp" \
    <(td-dump --quiet --table "$table" --since "$since" --until "$until" -t arrow 2>"$work/logs/verify-source.log") \
    <(target influx-dump --quiet --measurement "$table" --since "$since" --until "$until" -t arrow 2>"$work/logs/verify-target.log") || code=$?
  [ "$code" -le 1 ] || grep -h ' error: ' "$work"/logs/verify-{source,target}.log >&2 || true
  [ ! -s "$work/verify.tmp" ] || cat "$work/verify.tmp" >>"$work/verify.json"
  rm -f "$work/verify.tmp"
  [ "$code" -le "$worst" ] || worst=$code
done < <(cut -f2 "$work/plan.tsv" | sort -u)
case $worst in
  0) echo "verdict: equal" ;;
  1) echo "verdict: DIFFERENT" ;;
  *) echo "verdict: none (exit $worst)" ;;
esac
exit "$worst"
