#!/usr/bin/env bash
# export.sh --env FILE [--job NAME] [--work-dir DIR] [--since-job NAME] [--dry-run]
#
# Writes every partition of the source's tables as a Parquet file into the first of STORAGES:
# STORAGE/JOB/DATABASE/TABLE/PARTITION/ID.parquet, and at the end STORAGE/JOB/_manifest.json, which names them all.
# Run again after anything that went wrong: only parts without a receipt are exported. A job is one state of the source;
# with --since-job only partitions are taken that have changed since that job (of the same directory).
#
# Exit 0: all parts are there. 4, 5, 6…: as the tool that failed (see its --help).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
. "$here/../splits.sh"
. "$here/env.sh"

begin "$@"
dry=false since=""
set -- "${rest[@]}"
while [ $# -gt 0 ]; do
  case $1 in
    --since-job) since=${2:?--since-job needs a name}; shift 2 ;;
    --dry-run) dry=true; shift ;;
    *) die 2 "unknown argument '$1' (see --help)" ;;
  esac
done
need_cluster SOURCE
dir=$work/export
lock_work "$dir"
mkdir -p "$dir/logs" "$dir/puts"
# shellcheck disable=SC2034 # splits.sh uses them
unit=parts next_try="run it again"
at_once "${EXPORT_CONCURRENCY:-${CONCURRENCY:-2}}"
prefix=$source_storage/$job/${SOURCE_DB_NAME:-default}
before=""
if [ -n "$since" ]; then
  before=$(dirname "$work")/starrocks-$since/export
  [ -e "$before/plan.tsv" ] || die 2 "--since-job $since: $before/plan.tsv is not there"
fi

# exported TABLE PARTITION VERSION: did the earlier job export this very state?
exported() {
  local id
  [ -n "$before" ] || return 1
  id=$(awk -F'\t' -v t="$1" -v p="$2" -v v="$3" 'NR > 2 && $2 == t && $3 == p && $5 == v { print $1 }' "$before/plan.tsv")
  [ -n "$id" ] && [ -e "$before/done/$id.json" ]
}

# plan: a line for every partition; the last column but one is its visible version.
plan() {
  local table number=0 partitions where name partition version rows choice
  printf '#ts-plan 1 options=%s source=%s\n' "$(part_id "$prefix" "${TASK_FILTER:-}" "${DATA_FILTER:-}")" "$(without_password "$TS_SOURCE_URL")"
  printf 'id\ttable\tpredicate\tfrom\tto\test_rows\n'
  while IFS= read -r table; do
    filters_of "$number"
    number=$((number + 1)) choice=()
    [ -z "$partitions" ] || choice=(--partitions "$partitions")
    sr-export --quiet --list --table "$table" "${choice[@]}" >"$dir/list.csv" 2>"$dir/logs/list.log" 9>&- ||
      die $? "$(grep -h ' error: ' "$dir/logs/list.log")"
    while IFS=, read -r name partition _ version rows _; do
      ! exported "$table" "$partition" "$version" || continue
      printf '%s\t%s\t%s\t\t%s\t%s\n' "$(part_id "$prefix" "$table" "$partition" "$version" "$where")" "$name" "$partition" "$version" "$rows"
    done < <(tail -n +2 "$dir/list.csv")
  done < <(tables)
  rm -f "$dir/list.csv"
}

# quoted TEXT: for a script, and for the right side of sed's s.
quoted() { printf '%q' "$1" | sed 's/[&|\\]/\\&/g'; }

# pipeline: the script that moves one part.
pipeline() {
  local table number=0 partitions where
  # shellcheck disable=SC2016 # ts-run's shell expands it
  printf 'where=()\ncase $TS_SPLIT_TABLE in\n'
  while IFS= read -r table; do
    filters_of "$number"
    number=$((number + 1))
    [ -z "$where" ] || printf '  %q) where=(--where %q) ;;\n' "$table" "$where"
  done < <(tables)
  printf 'esac\n'
  sed -e '/^#/d' "$here/export_part.sh" | sed -e "s|@PREFIX@|$(quoted "$prefix")|" -e "s|@PUTS@|$(quoted "$(cd "$dir" && pwd)/puts")|"
}

say "1/3 reading the partitions of $(tables | wc -l) tables"
plan >"$dir/plan.tsv.new"
mv "$dir/plan.tsv.new" "$dir/plan.tsv"
if $dry; then
  cat "$dir/plan.tsv"
  exit 0
fi
pipeline | put "$dir/pipeline.sh"
[ -z "$(ls "$dir/failed" 2>/dev/null)" ] || ts-state retry --quiet --dir "$dir" failed 2>/dev/null
say "2/3 exporting $(ts-state pending --dir "$dir" --quiet 2>/dev/null | wc -l) of $(count_splits "$dir") parts, $(many "$dir")"
start_pace SOURCE "$dir"
run_splits "$dir"
report "$dir" || true

say "3/3 writing the manifest"
while IFS=$'\t' read -r id _; do cat "$dir/puts/$id.json"; done < <(tail -n +3 "$dir/plan.tsv") | put "$dir/parts.jsonl"
code=0
store-put --quiet --manifest --receipts "$dir/parts.jsonl" "$source_storage/$job/" >/dev/null 2>"$dir/logs/manifest.log" 9>&- || code=$?
# It may be this very one, written by a run that was killed right after: then it names the same objects.
names() { sed -n 's/^ *"name": "\(.*\)",$/\1/p' | sort; }
if [ "$code" -eq 6 ] && store-get --quiet "$source_storage/$job/_manifest.json" 2>/dev/null 9>&- | names |
  cmp -s - <(while IFS=$'\t' read -r id table partition _; do printf '%s/%s/%s/%s.parquet\n' "${SOURCE_DB_NAME:-default}" "$table" "$partition" "$id"; done < <(tail -n +3 "$dir/plan.tsv") | sort); then
  code=0
fi
[ "$code" -ne 6 ] || ! grep -q _manifest.json "$dir/logs/manifest.log" ||
  die 6 "$source_storage/$job/_manifest.json is there with other parts: the source has changed since, take another --job for the new state (--since-job $job exports what has changed only)"
[ "$code" -eq 0 ] || die "$code" "$(grep -h ' error: ' "$dir/logs/manifest.log")"
say "exported: $source_storage/$job/"
