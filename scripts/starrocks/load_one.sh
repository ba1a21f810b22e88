#!/usr/bin/env bash
# load_one.sh [--plan-only] [URL]: loads one object of a job; queue-recv runs it for each event (TS_EVENT_URL names the
# object), import.sh for what no event told of. TSFERRY_IMPORT_DIR and TSFERRY_IMPORT_PREFIX come from import.sh.
#
# Exit 0: the rows are visible in the target (or the object is no part of a table). Else the message must come again.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

plan_only=false
[ "${1:-}" != --plan-only ] || { plan_only=true; shift; }
url=${1:-${TS_EVENT_URL:?TS_EVENT_URL is not set}}
dir=${TSFERRY_IMPORT_DIR:?import.sh sets it} prefix=${TSFERRY_IMPORT_PREFIX:?import.sh sets it}
# DATABASE/TABLE/PARTITION/ID.parquet; anything else under the prefix (the manifest, temporary names) is none of ours.
[[ ${url#"$prefix/"} =~ ^([^/]+)/([^/]+)/([^/]+)/([0-9a-f]{16})\.parquet$ ]] || exit 0
table=${BASH_REMATCH[2]} partition=${BASH_REMATCH[3]} id=${BASH_REMATCH[4]}

# The plan grows by a line for each object, and by none that stands there already.
(
  flock 8
  grep -q "^$id	" "$dir/plan.tsv" && exit 0
  earlier=$(awk -F'\t' -v t="$table" -v p="$partition" 'NR > 2 && $2 == t && $4 == p { print $1 }' "$dir/plan.tsv" | tail -n 1)
  [ -z "$earlier" ] || [ "${ALLOW_NEWER_PARTS:-}" = true ] ||
    die 6 "partition $partition of $table is loaded from another state of the source ($earlier): its rows would be there twice. Empty the partition and give the new state a --job of its own, or set ALLOW_NEWER_PARTS=true where the table's key makes rows replace each other"
  { cat "$dir/plan.tsv" && printf '%s\t%s\t%s\t%s\t\t\n' "$id" "$table" "$url" "$partition"; } | put "$dir/plan.tsv"
) 8>"$dir/.plan.lock"
! $plan_only || exit 0
exec ts-run --quiet --dir "$dir" --lock-wait 10m "$id"
