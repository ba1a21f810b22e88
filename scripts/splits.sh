# shellcheck shell=bash
# Planning and running splits; sourced after lib.sh. $unit and $next_try are the words for splits and for the next try.
unit=windows next_try="run again with --resume"

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
  printf '%s\n' "$text" | put "$1/pipeline.sh"
}

# executor: what runs splits at the same time: what EXECUTOR says, else GNU parallel where it is installed, else xargs.
executor() {
  case ${EXECUTOR:-} in
    xargs) echo xargs ;;
    parallel | '')
      if parallel --version 2>/dev/null | grep -q '^GNU parallel'; then
        echo parallel
      elif [ -z "${EXECUTOR:-}" ]; then
        echo xargs
      else
        die 2 "EXECUTOR=parallel: GNU parallel is not installed"
      fi
      ;;
    *) die 2 "EXECUTOR=$EXECUTOR: xargs or parallel is expected" ;;
  esac
}

# follow_jobs FILE PID N: as many at a time as FILE says, N at first, by the signals that GNU xargs takes for one more and
# for one less; until the process has ended.
follow_jobs() {
  local jobs=$3 want caught
  while [ "$(cat "/proc/$2/comm" 2>/dev/null)" != '' ]; do
    caught=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$2/status" 2>/dev/null) || break
    want=$(head -n 1 "$1" 2>/dev/null) || break
    # Before it catches both (bits 9 and 11), one of them would end it.
    if [ "$((0x${caught:-0} & 0xa00))" -eq $((0xa00)) ] && [[ $want =~ ^[1-9][0-9]{0,3}$ ]]; then
      if [ "$want" -gt "$jobs" ]; then
        kill -USR1 "$2" && jobs=$((jobs + 1))
      elif [ "$want" -lt "$jobs" ]; then
        kill -USR2 "$2" && jobs=$((jobs - 1))
      fi
    fi
    # One after the other: two signals at once would be one.
    if [ "$want" = "$jobs" ]; then sleep 0.5; else sleep 0.05; fi
  done
}

# execute DIR EXECUTOR: runs DIR/pending, as many at a time as DIR/jobs says, which may be changed at any time.
execute() (
  dir=$1
  if [ -n "${pacer:-}" ]; then
    # Somebody else has the say.
    CONCURRENCY=$(head -n 1 "$dir/jobs")
  else
    printf '%s\n' "$CONCURRENCY" >"$dir/jobs" || exit 7
  fi
  # shellcheck disable=SC2206 # RUN_OPTIONS is a list of words
  run=(ts-run --quiet --dir "$dir" ${RUN_OPTIONS:-})
  case $2 in
    parallel) exec parallel --will-cite -j "$dir/jobs" "${run[@]}" <"$dir/pending" ;;
    xargs)
      me=$BASHPID
      # In the background, but not its child: it would wait for it. Not the other way round: what a shell starts in the
      # background does not hear Ctrl-C.
      (follow_jobs "$dir/jobs" "$me" "$CONCURRENCY" </dev/null >/dev/null 2>&1 &)
      exec xargs -r -n 1 -P "$CONCURRENCY" "${run[@]}" <"$dir/pending"
      ;;
  esac
)

# run_splits DIR: everything that is left of DIR/plan.tsv, by DIR/pipeline.sh, and an end with the code of what failed.
run_splits() {
  local dir=$1 executor code=0 said
  executor=$(executor)
  said=$(ts-state pending --dir "$dir" --quiet 2>&1 >"$dir/pending") || code=$?
  case $code in
    0) ;;
    1) die 7 "cannot write $dir/pending: $said" ;; # the shell's, not the tool's
    *) die "$code" "$(printf '%s\n' "$said" | grep ' error: ')" ;;
  esac
  # The lock of the work directory lasts as long as the executor, and no longer.
  { execute "$dir" "$executor" 2>&1 >/dev/null 9>&- || true; } | { exec 9>&-; grep -v '^ts-run: ok' >&2 || true; }
  rm -f "$dir/pending"
  ts-state report --dir "$dir" --out json --quiet 2>/dev/null | put "$dir/summary.json" || code=$?
  case $code in
    0 | 8) ;;
    1) die "$(why "$dir")" "$(left "$dir") of $(count_splits "$dir") $unit failed: mend the cause and $next_try (ts-state why ID --dir $dir tells each; messages: $dir/logs)" ;;
    7) die 7 "what is done cannot be read, or not be written, in $dir: make room there, or see ts-state report --dir $dir" ;;
    *) die "$code" "the state of $dir cannot be read: run ts-state report --dir $dir" ;;
  esac
}

# left DIR: splits without a receipt.
left() { ts-state ls --dir "$1" --quiet 2>/dev/null | tail -n +2 | grep -vc "^[^	]*	\(done\|skipped\)	" || true; }

# why DIR: the exit code of the last failure; 7 where not even that can be written; 9 where an executor was ended before it
# came to all splits.
why() {
  local last code
  room "$1" 2>/dev/null || { echo 7; return; }
  last=$(find "$1/failed" -name '*.json' -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2-)
  code=$([ -z "$last" ] || grep -oE '"exit":[0-9]+' "$last" | cut -d : -f 2)
  if [ -n "$code" ] && [ "$code" -lt 128 ]; then echo "$code"; else echo 9; fi
}

# report DIR: what was moved, from DIR/summary.json; 8 if splits or rows were left out.
report() {
  local rejected skipped
  rejected=$(sum_of rejected <"$1/summary.json") skipped=$(sum_of skipped <"$1/summary.json")
  say "moved $(sum_of rows <"$1/summary.json") rows in $(sum_of "done" <"$1/summary.json") $unit, $rejected rejected"
  [ "$rejected" -eq 0 ] && [ "$skipped" -eq 0 ] || return 8
}
