#!/usr/bin/env bash
# mutations.sh [NAME]: every kind of damage to a target is reported by ts-verify, every harmless way to write the same rows
# is not, and an oracle that shares no code with it agrees on each. With NAME, only the kinds whose name holds that text.
#
# mutations/damage.py and mutations/harmless.py are the kinds, mutations/oracle.py the oracle. Each pair goes through
# `rows` (from both sides, and with a list of what to repair), `compare`, digest files, and digests of parts that are merged.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
suite=$(cd "$(dirname "$0")" && pwd)/mutations
export suite PYTHONDONTWRITEBYTECODE=1

if ! command -v python3 >/dev/null 2>&1; then
  skip "mutations of ts-verify: python3 is not installed, and the oracle is written in it"
  exit 77
fi
tools_on_path
begin_scratch
data=$scratch/data cases=$scratch/cases
mkdir "$data" "$cases"

generate() { ts-gen "$2" -q -o "$data/$1.csv" "${@:3}" 2>/dev/null; }
generate sensors sensors --rows 1000 --tables 10
generate tenths sensors --rows 400 --tables 4 --interval 130ms
generate nanos sensors --rows 400 --tables 4 --precision ns
generate meters meters --rows 1200 --tables 10 --interval 1h
generate keyed keyed --rows 600 --tables 4
generate edge edge --rows 480 --tables 8

say "comparing README.md with the kinds"
python3 "$suite/list.py" "$suite/README.md"

say "making the cases"
python3 "$suite/make.py" "$data" "$cases" "${1-}"

# ended WAY COMMAND…: runs it, and notes its exit code.
ended() {
  local way=$1 code=0
  shift
  "$@" >"$way.jsonl" 2>"$way.err" || code=$?
  echo "$way $code" >>codes
}

# digest FILE|COMMAND OUTPUT OPTIONS…
digest() {
  case $1 in
    '| '*) bash -euo pipefail -c "${1#| }" | ts-verify digest -q --spool "${@:3}" - -o "$2" ;;
    *) ts-verify digest -q "${@:3}" "$1" -o "$2" ;;
  esac
}

# through_digests: as `compare` does it, by digest files.
through_digests() {
  digest "${sides[0]}" a.digest "${options[@]}" "${alone[@]}" || return
  digest "${sides[1]}" b.digest "${options[@]}" "${alone[@]}" "${target[@]}" || return
  ts-verify compare -q a.digest b.digest
}

# through_parts: with digests of two parts of the target, which are merged to the very bytes of the whole one.
through_parts() {
  digest "${sides[1]}" early.digest --until "$middle" "${options[@]}" "${alone[@]}" "${target[@]}" || return
  digest "${sides[1]}" late.digest --since "$middle" "${options[@]}" "${alone[@]}" "${target[@]}" || return
  ts-verify merge -q early.digest late.digest -o whole.digest || return
  cmp b.digest whole.digest || return 66
  ts-verify compare -q a.digest whole.digest
}

one_case() {
  cd "$1"
  mapfile -t sides <sides
  mapfile -t options <options
  mapfile -t both <pair
  mapfile -t alone <digest
  mapfile -t target <target
  [ ! -e prepare ] || bash -euo pipefail prepare 2>prepare.err || die 2 "$1: $(cat prepare.err)"
  middle=$(cat middle)
  local pair=("${sides[@]}") mirrored=("${sides[1]}" "${sides[0]}")
  case ${sides[1]} in
    '| '*)
      local command="bash -euo pipefail -c '${sides[1]#| }'"
      pair=("${sides[0]}" --target-cmd "$command") mirrored=(--source-cmd "$command" "${sides[0]}")
      ;;
  esac
  ended rows ts-verify rows -q --limit 1000000 --repair again.jsonl "${options[@]}" "${both[@]}" "${pair[@]}"
  ended mirrored ts-verify rows -q --limit 1 "${options[@]}" "${both[@]}" "${mirrored[@]}"
  ended compare ts-verify compare -q --limit 1000000 "${options[@]}" "${both[@]}" "${pair[@]}"
  ended digests through_digests
  ended merge through_parts
}

say "comparing them"
export -f one_case ended digest through_digests through_parts die
printf '%s\0' "$cases"/*/ | xargs -0 -P "$(nproc)" -I {} bash -euo pipefail -c 'one_case {}'

say "asking the oracle"
python3 "$suite/judge.py" "$cases"
