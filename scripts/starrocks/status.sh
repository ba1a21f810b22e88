#!/usr/bin/env bash
# status.sh --env FILE [--job NAME] [--work-dir DIR]
#
# What has become of every part: waiting, exporting, uploaded, loading, loaded, verified, failed; a line each (table,
# partition, state, rows, note), and their numbers on stderr.
#
# Exit 0: every part is loaded. 1: not yet.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
. "$here/env.sh"

begin "$@"
[ -e "$work/export/plan.tsv" ] || [ -e "$work/import/plan.tsv" ] || die 2 "$work: no job was begun here"

# states DIR: id, state, note of every split of a plan.
states() { [ ! -e "$1/plan.tsv" ] || ts-state ls --dir "$1" --quiet 2>/dev/null | tail -n +2 | awk -F'\t' -v OFS='\t' '{ print $1, $2, $NF }'; }
rows() { { grep -oE '"rows":[0-9]+' "$1" || echo :; } 2>/dev/null | head -n 1 | cut -d : -f 2; }

printf 'table\tpartition\tstate\trows\tnote\n'
declare -A exporting importing note
while IFS=$'\t' read -r id state text; do exporting[$id]=$state note[$id]=$text; done < <(states "$work/export")
while IFS=$'\t' read -r id state text; do importing[$id]=$state note[$id]=${text:-${note[$id]-}}; done < <(states "$work/import")
left=0 many=0
while IFS=$'\t' read -r id table partition; do
  many=$((many + 1))
  receipt=$work/import/done/$id.json
  case ${importing[$id]-} in
    "done") if [ -e "$work/verified/$table/$partition" ]; then state=verified; else state=loaded; fi ;;
    running) state=loading ;;
    failed | blocked) state="failed (import)" ;;
    *)
      receipt=$work/export/done/$id.json
      case ${exporting[$id]-} in
        "done") state=uploaded ;;
        running) state=exporting ;;
        failed | blocked) state="failed (export)" ;;
        *) state=waiting ;;
      esac
      ;;
  esac
  case $state in loaded | verified) ;; *) left=$((left + 1)) ;; esac
  printf '%s\t%s\t%s\t%s\t%s\n' "$table" "$partition" "$state" "$(rows "$receipt")" "${note[$id]-}"
done < <({
  [ ! -e "$work/export/plan.tsv" ] || tail -n +3 "$work/export/plan.tsv" | cut -f 1-3
  [ ! -e "$work/import/plan.tsv" ] || tail -n +3 "$work/import/plan.tsv" | cut -f 1,2,4
} | sort -u)
for kind in export import; do
  dir=$work/$kind
  # Who works there holds the lock.
  if [ -s "$dir/jobs" ] && [ -e "$dir/.lock" ] && ! flock -n "$dir/.lock" true; then
    said=""
    [ ! -s "$dir/pace.jsonl" ] || said=", the last change: $(tail -n 1 "$dir/pace.jsonl" | sed -E 's/.*"from":([0-9]+),"to":([0-9]+).*"why":"(.*)","at":"([^"]*)".*/\1 to \2 at \4, \3/')"
    say "$kind: $(head -n 1 "$dir/jobs") at a time$said"
  fi
done
say "$((many - left)) of $many parts are loaded"
[ "$left" -eq 0 ]
