#!/usr/bin/env bash
# sync.sh --env FILE [--job NAME] [--work-dir DIR] [--since-job NAME]
#
# From cluster to cluster: exports, copies from the first of STORAGES to the last where there are two, imports while the
# export still runs, and validates. Run again after anything that went wrong.
#
# Exit 0: verified equal. 1: differences were found. 4, 5, 6…: as the step that failed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
. "$here/env.sh"

begin "$@"
options=(--job "$job" --work-dir "$work")
arguments=("$@")
file=""
while [ $# -gt 0 ]; do
  [ "$1" != --env ] || file=$2
  shift
done
mkdir -p "$work" || die 7 "cannot make the work directory $work"

# copy: keeps the second storage equal to the first. The manifest, beside the database's folder, goes last, so that it never
# names what is not there.
copy() { store-cp --quiet --recursive "$source_storage/$job/${SOURCE_DB_NAME:-default}/" "$target_storage/$job/${SOURCE_DB_NAME:-default}/"; }

export_code=0
"$here/export.sh" "${arguments[@]}" --work-dir "$work" &
exporter=$!
"$here/import.sh" --env "$file" "${options[@]}" --until-manifest &
importer=$!
trap 'kill "$exporter" "$importer" 2>/dev/null; exit 143' TERM
trap 'kill "$exporter" "$importer" 2>/dev/null; exit 130' INT
if [ "$source_storage" != "$target_storage" ]; then
  while kill -0 "$exporter" 2>/dev/null; do
    copy 2>>"$work/copy.log" || true
    sleep "${COPY_EVERY:-5}"
  done
fi
wait "$exporter" || export_code=$?
if [ "$export_code" -ne 0 ]; then
  kill "$importer" 2>/dev/null || true
  wait "$importer" 2>/dev/null || true
  die "$export_code" "the export failed: mend the cause and run it again"
fi
if [ "$source_storage" != "$target_storage" ]; then
  copy
  store-cp --quiet "$source_storage/$job/_manifest.json" "$target_storage/$job/_manifest.json"
fi
code=0
wait "$importer" || code=$?
[ "$code" -eq 0 ] || die "$code" "the import failed: mend the cause and run it again"
exec "$here/validate.sh" --env "$file" "${options[@]}"
