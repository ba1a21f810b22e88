#!/usr/bin/env bash
# validate.sh --env FILE [--job NAME] [--work-dir DIR] [--deep]
#
# Compares the source's tables with the target's, partition by partition: every cell, not counts and sums alone. Both
# clusters hash their rows themselves (ts-verify hash), which takes no row over the network; the rows of a partition are read
# only where the hashes differ, or cannot be had. With --deep all of them are read. The filters of the export hold here too.
# A partition that is equal is marked as verified.
#
# Exit 0: equal. 1: differences. 10: no verdict (an empty or unreadable side is never "equal").
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
. "$here/env.sh"

begin "$@"
deep=""
for argument in "${rest[@]}"; do
  [ "$argument" = --deep ] || die 2 "unknown argument '$argument' (see --help)"
  deep=yes
done
need_cluster SOURCE
need_cluster TARGET
mkdir -p "$work/logs"

# The target is read back: for sr-export it is the source.
target() (
  export TS_SOURCE_URL=$TS_TARGET_URL TS_SOURCE_PASSWORD=${TS_TARGET_PASSWORD:-}
  "$@" env
)

# digest COMMAND…: of a partition as a side has it. It keeps what is there twice; a side that is cut or fails has no EOS, so
# it gives none.
# shellcheck disable=SC2086 # VERIFY_OPTIONS is a list of words
digest() { "$@" sr-export --quiet --table "$table" --partitions "EACH($partition)" "${condition[@]}" -t arrow |
  ts-verify digest --quiet --dedupe keep --measurement "$table" ${VERIFY_OPTIONS:-}; }

# look HOW: what the clusters say of the partitions of $table themselves (hash, or counts), a line each: equal, differs, missing
# (in the target), extra or moved, then the partition's name, the table's, and numbers. False where it cannot be said.
look() {
  local code=0 options=""
  [ "$1" != hash ] || options=${HASH_OPTIONS:-}
  rm -f "$work/partitions.txt"
  # shellcheck disable=SC2086 # HASH_OPTIONS is a list of words
  ts-verify "$1" --quiet --table "$table" "${choice[@]}" "${condition[@]}" --all --limit 1000000000 --out text $options \
    --output "$work/partitions.txt" 2>"$work/logs/$1.log" || code=$?
  case $code in 0 | 1 | 10) [ -s "$work/partitions.txt" ] ;; *) return 1 ;; esac
}
why() { grep -h ' error: ' "$work/logs/$1.log" | head -n 1; }

# read_rows: compares digests of $partition of $table; the exit code says how that ended.
read_rows() {
  local code=0 side=0
  target digest >"$work/target.digest" 2>"$work/logs/validate-target.log" &
  digest env >"$work/source.digest" 2>"$work/logs/validate-source.log" || code=10
  wait $! || side=10
  [ $((code + side)) -eq 0 ] || return 10
  ts-verify compare --quiet --out json "$work/source.digest" "$work/target.digest" >>"$work/validate.jsonl" 2>"$work/logs/validate.log"
}

worst=0 equal=0 differing=0 rows=0 hashed=0
: >"$work/validate.jsonl" || die 7 "cannot write $work/validate.jsonl"
number=0
while IFS= read -r table; do
  filters_of "$number"
  number=$((number + 1)) choice=() condition=() how=hash
  [ -z "$partitions" ] || choice=(--partitions "$partitions")
  [ -z "$where" ] || condition=(--where "$where")
  mkdir -p "$work/verified/$table"
  if [ -n "$deep" ]; then
    how=counts
  elif ! look hash || grep -q '^differs  - ' "$work/partitions.txt"; then
    say "$table: the clusters' own hashes do not do here, all rows are read: $(why hash)"
    how=counts
  fi
  [ "$how" = hash ] || look counts || die 10 "$(why counts)"
  while read -r word partition _ many more; do
    rm -f "$work/verified/$table/$partition"
    code=0
    case $word:$how:$many in
      equal:hash:*) hashed=$((hashed + 1)) rows=$((rows + many)) ;;
      equal:counts:0) ;;
      equal:* | moved:* | differs:*)
        if [ "$partition" = - ]; then
          code=1 && say "$table: $many $more"
        else
          rows=$((rows + 1))
          read_rows || code=$?
        fi
        ;;
      missing:* | extra:*) code=1 && say "$table, partition $partition: $word in the target" ;;
      *) continue ;; # the summary
    esac
    case $code in
      0) equal=$((equal + 1)) && : >"$work/verified/$table/$partition" ;;
      1) differing=$((differing + 1)) && say "$table, partition $partition: DIFFERENT" ;;
      *) say "$table, partition $partition: no verdict (exit $code): $(grep -h ' error: ' "$work"/logs/validate*.log | head -n 2)" ;;
    esac
    [ "$code" -le "$worst" ] || worst=$code
  done <"$work/partitions.txt"
done < <(tables)
rm -f "$work/partitions.txt" "$work"/{source,target}.digest
[ "$hashed" -eq 0 ] || say "$hashed partitions by hashes that the clusters made (--deep reads their rows)"
case $worst in
  0) [ "$rows" -gt 0 ] || { worst=10; echo "verdict: none (nothing was compared)"; } ;;&
  0) echo "verdict: equal ($equal partitions)" ;;
  1) echo "verdict: DIFFERENT ($differing partitions, $equal equal; which buckets: $work/validate.jsonl)" ;;
  10) ;;
  *) echo "verdict: none (exit $worst)" ;;
esac
exit "$worst"
