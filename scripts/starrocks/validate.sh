#!/usr/bin/env bash
# validate.sh --env FILE [--job NAME] [--work-dir DIR]
#
# Compares the source's tables with the target's, partition by partition: every cell, not counts and sums alone. The
# filters of the export hold here too. A partition that is equal is marked as verified.
#
# Exit 0: equal. 1: differences. 10: no verdict (an empty or unreadable side is never "equal").
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
. "$here/env.sh"

begin "$@"
[ ${#rest[@]} -eq 0 ] || die 2 "unknown argument '${rest[0]}' (see --help)"
need_cluster SOURCE
need_cluster TARGET
mkdir -p "$work/logs"

# The target is read back: for sr-export it is the source.
target() (
  export TS_SOURCE_URL=$TS_TARGET_URL TS_SOURCE_PASSWORD=${TS_TARGET_PASSWORD:-}
  "$@" env
)

worst=0 equal=0 differing=0
: >"$work/validate.jsonl" || die 7 "cannot write $work/validate.jsonl"
number=0
while IFS= read -r table; do
  filters_of "$number"
  number=$((number + 1)) choice=() condition=()
  [ -z "$partitions" ] || choice=(--partitions "$partitions")
  [ -z "$where" ] || condition=(--where "$where")
  mkdir -p "$work/verified/$table"
  sr-export --quiet --list --table "$table" "${choice[@]}" >"$work/list.csv" 2>"$work/logs/list.log" || die 10 "$(grep -h ' error: ' "$work/logs/list.log")"
  while IFS=, read -r _ partition _; do
    rm -f "$work/verified/$table/$partition"
    # Digests that keep what is there twice, of both sides at once; a side that is cut or fails has no EOS, so it gives none.
    # shellcheck disable=SC2086 # VERIFY_OPTIONS is a list of words
    digest() { "$@" sr-export --quiet --table "$table" --partitions "EACH($partition)" "${condition[@]}" -t arrow |
      ts-verify digest --quiet --dedupe keep --measurement "$table" ${VERIFY_OPTIONS:-}; }
    code=0 side=0
    target digest >"$work/target.digest" 2>"$work/logs/validate-target.log" &
    digest env >"$work/source.digest" 2>"$work/logs/validate-source.log" || code=10
    wait $! || side=10
    if [ $((code + side)) -gt 0 ]; then
      code=10
    else
      ts-verify compare --quiet --out json "$work/source.digest" "$work/target.digest" >>"$work/validate.jsonl" 2>"$work/logs/validate.log" || code=$?
    fi
    case $code in
      0) equal=$((equal + 1)) && : >"$work/verified/$table/$partition" ;;
      1) differing=$((differing + 1)) && say "$table, partition $partition: DIFFERENT" ;;
      *) say "$table, partition $partition: no verdict (exit $code): $(grep -h ' error: ' "$work"/logs/validate*.log | head -n 2)" ;;
    esac
    [ "$code" -le "$worst" ] || worst=$code
  done < <(tail -n +2 "$work/list.csv")
done < <(tables)
rm -f "$work/list.csv" "$work"/{source,target}.digest
case $worst in
  0) [ "$equal" -gt 0 ] || { worst=10; echo "verdict: none (nothing was compared)"; } ;;&
  0) echo "verdict: equal ($equal partitions)" ;;
  1) echo "verdict: DIFFERENT ($differing partitions, $equal equal; which buckets: $work/validate.jsonl)" ;;
  10) ;;
  *) echo "verdict: none (exit $worst)" ;;
esac
exit "$worst"
