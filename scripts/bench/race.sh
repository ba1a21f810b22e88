# shellcheck shell=bash
# Running commands against each other; sourced by compare.sh, which sets $rounds, $scratch and $raw.
#
# A group is a race: its contenders run round-robin (A B C A B C …), so that a busy moment of the machine hits all of them.
#   group NAME UNIT                         begins one; UNIT is what is counted: rows, lines, MB
#   contender LABEL UNITS COMMAND           COMMAND is for bash; UNITS is how many of the unit it handles
#   claim PATH AGAINST OURS PEER METRIC MUST STRETCH
#                                           METRIC cpu or wall, per unit; MUST '>= 5' (times faster than the peer) or
#                                           '<= 0.9' (of what the peer takes)
#   race                                    runs it, if --only selects it
# A line of $raw: group,unit,label,round,units,wall,user,sys,rss_kib. A line of $claims: the words of a claim, after its group.
# shellcheck disable=SC2154,SC2034  # compare.sh sets and uses them

group=
unit=
labels=()
declare -A units_of command_of dead

group() {
  group=$1 unit=$2
  labels=() units_of=() command_of=() dead=()
}

contender() {
  labels+=("$1")
  units_of[$1]=$2
  command_of[$1]=$3
}

claim() { printf '%s\t' "$group" "$@" >>"$claims" && echo >>"$claims"; }

# chosen NAME: is this group asked for?
chosen() { [[ $1 =~ $only ]]; }

# absent WHAT WHY: a contender that cannot be had; its claims come out as skipped.
absent() {
  skip "$group: $1: $2"
  absences=$((absences + 1))
}

race() {
  local round label
  [ ${#labels[@]} -gt 0 ] || return 0
  say "$group: ${labels[*]}, $rounds rounds"
  for ((round = 1; round <= rounds; round++)); do
    for label in "${labels[@]}"; do
      [ -n "${dead[$label]-}" ] || once "$label" "$round"
    done
  done
}

# once LABEL ROUND: CPU and wall by the shell's clock (milliseconds), the peak by GNU time. A command that writes
# "wall user sys" into $BENCH_SELF has measured the part that counts by itself.
once() {
  local label=$1 round=$2 times code=0 TIMEFORMAT='%3R %3U %3S'
  export BENCH_SELF=$scratch/self
  rm -f "$BENCH_SELF"
  { time "$gnu_time" -f %M -o "$scratch/peak" bash -c "${command_of[$label]}" >"$scratch/out" 2>"$scratch/err" </dev/null; } 2>"$scratch/times" || code=$?
  if [ "$code" -ne 0 ]; then
    dead[$label]=yes
    failures+=("$group: $label: exit $code: $(tail -n 1 "$scratch/err")")
    say "FAILED ${failures[-1]}"
    return
  fi
  times=$(tail -n 1 "$scratch/times")
  if [ -s "$BENCH_SELF" ]; then times=$(cat "$BENCH_SELF"); fi
  printf '%s,%s,%s,%s,%s,%s,%s\n' "$group" "$unit" "$label" "$round" "${units_of[$label]}" "${times// /,}" "$(tail -n 1 "$scratch/peak")" >>"$raw"
}

# agree WHAT COMMAND COMMAND: both print the same bytes
agree() {
  local code=0
  cmp <(bash -c "$2" 2>"$scratch/err") <(bash -c "$3" 2>>"$scratch/err") >"$scratch/cmp" 2>&1 || code=$?
  verdict_of "$1" "$code"
}

# near WHAT COMMAND COMMAND: both print the same numbers, separated by blanks: whole ones exactly, others to nine digits (the
# sum of many numbers depends on their order)
near() {
  local code=0
  awk -v a="$(bash -c "$2" 2>"$scratch/err")" -v b="$(bash -c "$3" 2>>"$scratch/err")" 'BEGIN {
    n = split(a, x, " "); m = split(b, y, " ")
    if (n != m || n == 0) { print "one says: " a ", the other: " b; exit 1 }
    for (i = 1; i <= n; i++) {
      if (x[i] == y[i]) continue
      d = x[i] - y[i]; if (d < 0) d = -d
      if (x[i] ~ /^[0-9]+$/ && y[i] ~ /^[0-9]+$/ || d > 1e-9 * (x[i] < 0 ? -x[i] : x[i])) { print "number " i ": " x[i] " and " y[i]; exit 1 }
    }
  }' >"$scratch/cmp" 2>&1 || code=$?
  verdict_of "$1" "$code"
}

verdict_of() {
  if [ "$2" -eq 0 ]; then
    echo "agree: $group: $1" | tee -a "$agreements"
  else
    failures+=("$group: $1 do not agree: $(tail -n 1 "$scratch/cmp") $(tail -n 1 "$scratch/err")")
    echo "DIFFER: $group: $1: $(tail -n 1 "$scratch/cmp")" | tee -a "$agreements"
  fi
}
