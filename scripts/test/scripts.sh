#!/usr/bin/env bash
# The scripts of a migration against simulators: refusals, resume after kill -9, changed options, a failing target.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
tools_on_path

begin_scratch
passed=0

# expect CODE NAME COMMAND…
expect() {
  local want=$1 name=$2 code=0
  shift 2
  "$@" >"$scratch/out" 2>&1 || code=$?
  if [ "$code" -ne "$want" ]; then
    cat "$scratch/out" >&2
    die 1 "$name: exit $code, not $want"
  fi
  passed=$((passed + 1))
  say "ok: $name"
}
shows() { grep -q -- "$1" "$scratch/out" || { cat "$scratch/out" >&2; die 1 "'$1' is not said"; }; }

ts-gen sensors --rows 30000 --tables 50 --interval 10s --quiet -o "$scratch/sensors.csv" 2>/dev/null
simulate source tdengine --load "demo.sensors=$scratch/sensors.csv"
source=tdengine://root@${url#http://}/demo
simulate target influx --flavor 1.8 --database demo
cat >"$scratch/env" <<END
# a comment, and a blank line

TS_SOURCE_URL=$source
TS_SOURCE_PASSWORD="taosdata"
TS_TARGET_URL=influx1+$url/demo
WINDOW=5m
CONCURRENCY=2
END
migrate=("$here/../run_migration.sh" --env "$scratch/env" --work-dir "$scratch/work")

expect 2 "no environment file" "$here/../run_migration.sh"
expect 2 "an environment file that is not there" "$here/../run_migration.sh" --env /no/such/file
expect 0 "check_tdengine.sh" "$here/../check_tdengine.sh" --env "$scratch/env"
shows "30000 rows in all"
sed 's/taosdata/wrong/' "$scratch/env" >"$scratch/env.wrong"
expect 6 "a wrong password" "$here/../check_tdengine.sh" --env "$scratch/env.wrong"
sed 's#//root@#//root:taosdata@#; /PASSWORD/d' "$scratch/env" >"$scratch/env.inside"
expect 0 "a password in the URL" "$here/../run_migration.sh" --env "$scratch/env.inside" --work-dir "$scratch/inside" --dry-run
if grep -q taosdata "$scratch/out" || grep -rq taosdata "$scratch/inside"; then die 1 "the password of the URL is shown"; fi
sed 's/127.0.0.1:[0-9]*/127.0.0.1:1/' "$scratch/env" >"$scratch/env.down"
expect 4 "a source that is down" env "$here/../check_tdengine.sh" --env "$scratch/env.down"
expect 10 "verification before anything was planned" "$here/../verify_migration.sh" --env "$scratch/env" --work-dir "$scratch/none"

# Killed in the middle, with everything it started; then resumed: the windows that have a receipt are not run again.
setsid "${migrate[@]}" >"$scratch/first" 2>&1 &
first=$!
until [ "$(find "$scratch/work/done" -name '*.json' 2>/dev/null | wc -l)" -ge 3 ]; do
  kill -0 "$first" 2>/dev/null || { cat "$scratch/first" >&2; die 1 "the migration ended before it could be killed"; }
  sleep 0.02
done
kill -9 -- "-$first"
wait "$first" 2>/dev/null || true
before=$(find "$scratch/work/done" -name '*.json' -printf '%f %T@\n' | sort)
expect 2 "an existing work directory" "${migrate[@]}"
shows "--resume"
sed 's/WINDOW=5m/WINDOW=7m/' "$scratch/env" >"$scratch/env.other"
expect 2 "changed options" "$here/../run_migration.sh" --env "$scratch/env.other" --work-dir "$scratch/work" --resume
shows "window=7m"
expect 0 "resume after kill -9" "${migrate[@]}" --resume
shows "verdict: equal"
after=$(find "$scratch/work/done" -name '*.json' -printf '%f %T@\n' | sort)
[ -z "$(comm -23 <(printf '%s\n' "$before") <(printf '%s\n' "$after"))" ] || die 1 "a finished window was run again"
[ "$(tail -n +3 "$scratch/work/plan.tsv" | wc -l)" -eq "$(find "$scratch/work/done" -name '*.json' | wc -l)" ] || die 1 "a window has no receipt"
expect 0 "verify again" "$here/../verify_migration.sh" --env "$scratch/env" --work-dir "$scratch/work"
expect 0 "restart" "${migrate[@]}" --restart
shows "moved 30000 rows"
if grep -rq taosdata "$scratch/work"; then die 1 "the password stands in the work directory"; fi
passed=$((passed + 1))

# The same with faults on both sides: replies lost, cut and refused, and yet every row once.
simulate faulty-source tdengine --load "demo.sensors=$scratch/sensors.csv" --fault status=503@5 --fault cut-block@9 --fault lost-reply@40
faulty=$url
simulate faulty-target influx --flavor 1.8 --database demo --fault status=503@2-3 --fault lost-reply@5 --fault reset-upload@7 \
  --fault status=429:retry-after=1@9 --fault queue-full=1@11
sed "s#^TS_SOURCE_URL.*#TS_SOURCE_URL=tdengine://root@${faulty#http://}/demo#; s#^TS_TARGET_URL.*#TS_TARGET_URL=influx1+$url/demo#" \
  "$scratch/env" >"$scratch/env.faulty"
expect 0 "a migration with faults on both sides" "$here/../run_migration.sh" --env "$scratch/env.faulty" --work-dir "$scratch/work4"
shows "verdict: equal"

# A target that refuses ends with its own code, and nothing is said to be done.
sed 's#^TS_TARGET_URL.*#TS_TARGET_URL=influx1+http://127.0.0.1:1/demo#' "$scratch/env" >"$scratch/env.target"
echo 'WRITE_OPTIONS=--retries 1 --timeout 5s' >>"$scratch/env.target"
expect 5 "a target that is down" timeout 120 "$here/../run_migration.sh" --env "$scratch/env.target" --work-dir "$scratch/work5"
expect 0 "a dry run prints the plan" "$here/../run_migration.sh" --env "$scratch/env" --work-dir "$scratch/work6" --dry-run
[ "$(grep -c sensors "$scratch/out")" -ge 20 ] || die 1 "the plan is not printed"
expect 0 "install.sh" "$here/../install.sh" --prefix "$scratch/prefix"
expect 0 "an installed tool runs" "$scratch/prefix/bin/td-dump" --version
[ -s "$scratch/prefix/share/man/man1/td-dump.1" ] || die 1 "no man page"
echo "test result: ok. $passed passed; 0 failed; scripts of a migration"
