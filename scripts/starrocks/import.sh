#!/usr/bin/env bash
# import.sh --env FILE [--job NAME] [--work-dir DIR] [--until-manifest]
#
# Loads a job's parts from the last of STORAGES into the target: as TASK_QUEUE tells of new objects, and then whatever of
# _manifest.json has no receipt yet. An object is loaded once, however often it is told of, and a message is deleted only
# after its rows are visible. Run again after anything that went wrong: what has a receipt is not loaded again.
#
#   --until-manifest   stay until every part of the manifest is loaded, also if the export has not ended yet
#
# Exit 0: all parts are loaded. 4, 5, 6…: as the tool that failed (see its --help).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
. "$here/../splits.sh"
. "$here/env.sh"

begin "$@"
until_manifest=false
set -- "${rest[@]}"
while [ $# -gt 0 ]; do
  case $1 in
    --until-manifest) until_manifest=true; shift ;;
    *) die 2 "unknown argument '$1' (see --help)" ;;
  esac
done
need_cluster TARGET
dir=$work/import
lock_work "$dir"
mkdir -p "$dir/logs"
# shellcheck disable=SC2034 # splits.sh uses them
unit=parts next_try="run it again"
at_once "${IMPORT_CONCURRENCY:-${CONCURRENCY:-2}}"
prefix=$target_storage/$job

[ -e "$dir/plan.tsv" ] || printf '#ts-plan 1 options=%s source=%s\nid\ttable\tpredicate\tfrom\tto\test_rows\n' "$(part_id "$prefix")" "$prefix" | put "$dir/plan.tsv"
# The label is not an option: it decides whether an object is loaded once.
sed -e "s|@LOAD_OPTIONS@|$(words "${LOAD_OPTIONS:-}" | sed 's/[&|\\]/\\&/g')|" "$here/load_part.sh" | put "$dir/pipeline.sh"
[ -z "$(ls "$dir/failed" 2>/dev/null)" ] || ts-state retry --quiet --dir "$dir" failed 2>/dev/null
printf '%s\n' "$CONCURRENCY" | put "$dir/jobs"
start_pace TARGET "$dir"
export TSFERRY_IMPORT_DIR=$dir TSFERRY_IMPORT_PREFIX=$prefix

# manifest: the names of the job's parts, below its folder; false without a manifest.
manifest() {
  store-get --quiet "$prefix/_manifest.json" -o "$dir/manifest.json" 2>"$dir/logs/manifest.log" 9>&- || return
  sed -n 's/^ *"name": "\(.*\)",$/\1/p' "$dir/manifest.json"
}

# missing: the parts of the manifest without a receipt.
missing() {
  local name id
  while IFS= read -r name; do
    id=${name##*/}
    [ -e "$dir/done/${id%.parquet}.json" ] || printf '%s/%s\n' "$prefix" "$name"
  done < <(manifest)
}

if [ -n "$queue" ]; then
  say "1/2 loading what $queue tells of, $(many "$dir")"
  code=0
  ending=(--idle "${IMPORT_IDLE:-30s}")
  if $until_manifest; then ending=(--until-manifest "$prefix/_manifest.json" --idle "${MANIFEST_IDLE:-6h}"); fi
  queue-recv --quiet --url "$queue" --prefix "$prefix/" --ledger "$dir/ledger" --concurrency-file "$dir/jobs" "${ending[@]}" \
    -- "$here/load_one.sh" >>"$dir/logs/queue.log" 2>&1 9>&- || code=$?
  [ "$code" -eq 0 ] || say "the queue ended with $code: $(grep -h ' error: ' "$dir/logs/queue.log" | tail -n 1)"
elif $until_manifest; then
  say "1/2 waiting for $prefix/_manifest.json"
  until store-get --quiet "$prefix/_manifest.json" >/dev/null 2>&1 9>&-; do sleep 5; done
fi

say "2/2 loading what is left of the manifest"
manifest >/dev/null || die $? "$prefix/_manifest.json cannot be read: $(grep -h ' error: ' "$dir/logs/manifest.log"); export.sh writes it when every part is there"
while IFS= read -r url; do
  "$here/load_one.sh" --plan-only "$url" 9>&-
done < <(missing)
run_splits "$dir"
report "$dir" || exit $?
[ -z "$(missing)" ] || die 9 "$(missing | wc -l) parts of the manifest are not loaded: see status.sh"
say "loaded: every part of $prefix/_manifest.json"
