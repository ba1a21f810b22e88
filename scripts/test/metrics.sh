#!/usr/bin/env bash
# What we give to Prometheus and Grafana, judged by Prometheus' own promtool: the alert rules and their unit tests, the
# expressions of the dashboard, and the files that a small migration with a busy target leaves in TS_METRICS_DIR.
# promtool is that of the machine; else that of Debian's package `prometheus`, unpacked into TSFERRY_CACHE.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
rules=$here/../metrics
cache=$(realpath -m "${TSFERRY_CACHE:-$HOME/.cache/tsferry}")

# fetch_promtool: the package's files, and nothing installed.
fetch_promtool() (
  command -v apt-get >/dev/null && command -v dpkg >/dev/null || exit 1
  mkdir -p "$cache/promtool.tmp" && cd "$cache/promtool.tmp" || exit 1
  apt-get download prometheus >../promtool.log 2>&1 || { apt-get update && apt-get download prometheus; } >>../promtool.log 2>&1 || exit 1
  dpkg -x prometheus_*.deb . && mkdir -p ../promtool && mv usr/bin/promtool ../promtool/ && cd .. && rm -rf promtool.tmp
)
promtool=$(command -v promtool || true)
if [ -z "$promtool" ]; then
  promtool=$cache/promtool/promtool
  [ -x "$promtool" ] || fetch_promtool || {
    skip "alerts, dashboard and metrics by promtool: it is not here, and Debian's package prometheus cannot be had ($cache/promtool.log)"
    exit 77
  }
fi
need python3 "python3"
tools_on_path
begin_scratch
passed=0
ok() { passed=$((passed + 1)); say "ok: $*"; }

"$promtool" check rules "$rules/alerts.yml" >"$scratch/out" 2>&1 || die 1 "$(cat "$scratch/out")"
ok "promtool check rules: $(grep -o '[0-9]* rules' "$scratch/out")"
(cd "$rules" && "$promtool" test rules alerts.test.yml) >"$scratch/out" 2>&1 || die 1 "$(cat "$scratch/out")"
ok "promtool test rules: every alert fires where it should, and only there"

# promtool reads expressions in rules only: those of the dashboard become some.
python3 - "$rules/dashboard.json" >"$scratch/dashboard.yml" <<'PY'
import json, sys
dashboard = json.load(open(sys.argv[1]))
places = sorted((p["gridPos"]["y"], p["gridPos"]["x"], p["gridPos"]["w"], p["id"]) for p in dashboard["panels"])
assert len({id for *_, id in places}) == len(places), "two panels have one id"
for (y1, x1, w1, a), (y2, x2, _, b) in zip(places, places[1:]):
    assert y1 != y2 or x1 + w1 <= x2, f"the panels {a} and {b} overlap"
expressions = [t["expr"] for p in dashboard["panels"] for t in p["targets"]]
assert len(expressions) > 20
print("groups: [{name: dashboard, rules: [")
for n, e in enumerate(expressions):
    print(json.dumps({"record": f"dashboard:panel_{n}", "expr": e.replace("$migration", ".*")}), ",")
print("]}]")
PY
"$promtool" check rules "$scratch/dashboard.yml" >"$scratch/out" 2>&1 || die 1 "the dashboard: $(cat "$scratch/out")"
ok "the dashboard's expressions: $(grep -o '[0-9]* rules' "$scratch/out")"

# A migration whose target is busy now and then.
ts-gen sensors --rows 20000 --tables 20 --interval 10s --quiet -o "$scratch/sensors.csv" 2>/dev/null
simulate source tdengine --load "demo.sensors=$scratch/sensors.csv"
source=$url
simulate target influx --flavor 1.8 --database demo --fault status=429:retry-after=1@2-3/write --fault status=503@5-7/write
cat >"$scratch/env" <<END
TS_SOURCE_URL=tdengine://root@${source#http://}/demo
TS_SOURCE_PASSWORD=taosdata
TS_TARGET_URL=influx1+$url/demo
WINDOW=30m
CONCURRENCY=2
TS_METRICS_DIR=$scratch/metrics
METRICS_EVERY=200ms
TS_MIGRATION=busy plant
END
mkdir "$scratch/metrics"
"$here/../run_migration.sh" --env "$scratch/env" --work-dir "$scratch/work" >"$scratch/out" 2>&1 || die 1 "the migration ends with $?: $(tail -n 5 "$scratch/out")"
cat "$scratch"/metrics/*.prom >"$scratch/all.prom"
for file in "$scratch"/metrics/*.prom; do
  "$promtool" check metrics <"$file" >"$scratch/out" 2>&1 || die 1 "$(basename "$file"): $(cat "$scratch/out")"
  [ ! -s "$scratch/out" ] || die 1 "$(basename "$file"): $(cat "$scratch/out")"
done
files=$(find "$scratch/metrics" -name '*.prom' | wc -l)
for name in migration-busy_plant td-dump-1 td-dump-2 lp-encode-1 influx-write-1 influx-dump-1 ts-verify-sensors; do
  [ -s "$scratch/metrics/tsferry-$name.prom" ] || die 1 "there is no tsferry-$name.prom: $(ls "$scratch/metrics")"
done
# Two splits at a time: two of a tool, and none more however many splits there were.
[ "$files" -le 9 ] || die 1 "$files files: $(ls "$scratch/metrics")"
ok "promtool check metrics: nothing to say of the $files files that a migration leaves"
has() { grep -qE "$1" "$scratch/all.prom" || die 1 "no line $1 in the metrics"; }
splits=$(tail -n +3 "$scratch/work/plan.tsv" | wc -l)
has "^tsferry_splits\{migration=\"busy plant\",state=\"done\"\} $splits$"
has '^tsferry_migration_rows_total\{migration="busy plant"\} 20000$'
has '^tsferry_migration_throttled_requests_total\{migration="busy plant"\} 5$'
has '^tsferry_exit_code\{tool="ts-verify",stage="control",slot="tsferry-ts-verify-sensors",migration="busy plant"\} 0$'
[ "$(grep -c '^tsferry_running.* 1$' "$scratch/all.prom")" -eq 0 ] || die 1 "something is said to run still"
! grep -q taosdata "$scratch/all.prom" || die 1 "a secret stands in the metrics"
ts-state report --dir "$scratch/work" 2>/dev/null >"$scratch/report"
grep -q '^throttled  5$' "$scratch/report" || die 1 "the report does not tell the throttles: $(cat "$scratch/report")"
grep -q '^split [0-9a-f]*: [1-5] requests throttled' "$scratch/report" || die 1 "the report does not tell which splits: $(cat "$scratch/report")"
ok "they say what happened: $splits splits, 20000 rows, 5 requests throttled, verified equal; and so does the report"

echo "test result: ok. $passed passed; 0 failed; metrics by promtool"
