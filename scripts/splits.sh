# shellcheck shell=bash
# Planning and running splits; sourced after lib.sh.

# plan_splits ARGS…: ts-plan with what the environment says.
plan_splits() {
  local args=() table
  for table in ${TABLES:-}; do args+=(--table "$table"); done
  [ -z "${SINCE:-}" ] || args+=(--since "$SINCE")
  [ -z "${UNTIL:-}" ] || args+=(--until "$UNTIL")
  # shellcheck disable=SC2086 # PLAN_OPTIONS is a list of words
  ts-plan --quiet --width "${WINDOW:-1d}" --options "${ENCODE_OPTIONS:-}" ${PLAN_OPTIONS:-} "${args[@]}" "$@" 9>&-
}

# count_splits DIR
count_splits() { tail -n +3 "$1/plan.tsv" | wc -l; }

# words TEXT: the words of an option's value, quoted for a script.
words() {
  local all=()
  read -ra all <<<"$1"
  [ ${#all[@]} -eq 0 ] || printf '%q ' "${all[@]}"
}

# write_pipeline DIR: the script that moves one split, from the template.
write_pipeline() {
  local text
  text=$(cat "$(dirname "${BASH_SOURCE[0]}")/pipeline.sh")
  text=${text//@DUMP_OPTIONS@ /"$(words "${DUMP_OPTIONS:-}")"}
  text=${text//@ENCODE_OPTIONS@ /"$(words "${ENCODE_OPTIONS:-}")"}
  text=${text//@WRITE_OPTIONS@ /"$(words "${WRITE_OPTIONS:-}")"}
  printf '%s\n' "$text" >"$1/pipeline.tmp"
  mv "$1/pipeline.tmp" "$1/pipeline.sh"
}

# run_splits DIR: everything that is left of DIR/plan.tsv, and an end with the code of what failed. With GNU parallel the
# number in DIR/jobs may be changed at any time; it is read again after each split.
run_splits() {
  local dir=$1 executor code
  write_pipeline "$dir"
  ts-state pending --dir "$dir" --quiet >"$dir/pending" 2>"$dir/logs.tmp" || die $? "$(grep error "$dir/logs.tmp")"
  rm -f "$dir/logs.tmp"
  if parallel --version 2>/dev/null | grep -q '^GNU parallel'; then
    printf '%s\n' "$CONCURRENCY" >"$dir/jobs"
    executor=(parallel --will-cite -j "$dir/jobs")
  else
    executor=(xargs -r -n 1 -P "$CONCURRENCY")
  fi
  # shellcheck disable=SC2086 # RUN_OPTIONS is a list of words
  "${executor[@]}" ts-run --quiet --dir "$dir" ${RUN_OPTIONS:-} <"$dir/pending" 2>&1 >/dev/null 9>&- | { grep -v '^ts-run: ok' >&2 9>&- || true; } || true
  rm -f "$dir/pending"
  code=0
  ts-state report --dir "$dir" --out json --quiet >"$dir/summary.json" 2>/dev/null || code=$?
  case $code in
    0 | 8) ;;
    1) die "$(why "$dir")" "$(left "$dir") of $(count_splits "$dir") windows failed: mend the cause and run again with --resume (ts-state why ID --dir $dir tells each; messages: $dir/logs)" ;;
    *) die "$code" "the state of $dir cannot be read: run ts-state report --dir $dir" ;;
  esac
}

# left DIR: splits without a receipt.
left() { ts-state ls --dir "$1" --quiet 2>/dev/null | tail -n +2 | grep -vc "^[^	]*	\(done\|skipped\)	" || true; }

# why DIR: the exit code of the last failure; 9 where an executor was ended before it came to all splits.
why() {
  local last code
  last=$(find "$1/failed" -name '*.json' -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2-)
  code=$([ -z "$last" ] || grep -oE '"exit":[0-9]+' "$last" | cut -d : -f 2)
  if [ -n "$code" ] && [ "$code" -lt 128 ]; then echo "$code"; else echo 9; fi
}

# report DIR: what was moved, from DIR/summary.json; 8 if splits or rows were left out.
report() {
  local rejected skipped
  rejected=$(sum_of rejected <"$1/summary.json") skipped=$(sum_of skipped <"$1/summary.json")
  say "moved $(sum_of rows <"$1/summary.json") rows in $(sum_of "done" <"$1/summary.json") windows, $rejected rejected"
  [ "$rejected" -eq 0 ] && [ "$skipped" -eq 0 ] || return 8
}
