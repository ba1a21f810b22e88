#!/usr/bin/env bash
# Back ends that the client does not see: a simulated StarRocks whose front end and back ends listen in network namespaces of
# their own, and a client in a third.
#
#   scripts/test/namespaces.sh [--rows N]      (3000)
#
#     client 10.213.1.2 ── 10.213.1.1 fe 10.213.0.1 ── 10.213.0.2 be 10.213.2.1 ── 10.213.2.2 client
#
# The front end is reached at 10.213.1.1. It names its back ends as the cluster knows them: one by a name that nobody outside
# resolves, one by its address in 10.213.0.0/24, to where the client has no route. The way there is 10.213.2.1. It is one
# process, started in the namespace fe, whose back ends' sockets were made in the namespace be (ts-sim --be-netns): nothing
# is forwarded, what the client cannot reach is not there for it.
# Needs root and iproute2; skipped, and said, where they are not to be had. Exit: 0 as it should be, 1 not, 77 skipped.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

rows=3000
while [ $# -gt 0 ]; do
  case $1 in
    --rows) rows=$2; shift 2 ;;
    *) die 2 "usage: namespaces.sh [--rows N]" ;;
  esac
done
command -v ip >/dev/null || { skip "network namespaces: iproute2 is not installed"; exit 77; }
[ "$(id -u)" -eq 0 ] || { skip "network namespaces: they need root"; exit 77; }
tools_on_path

running=""
end_cluster() {
  [ -n "$running" ] || return 0
  kill "$running" 2>/dev/null || true
  wait "$running" 2>/dev/null || true
  running=""
}
fe=ts-fe-$$ be=ts-be-$$ client=ts-client-$$
before_end() {
  local name
  end_cluster
  for name in "$fe" "$be" "$client"; do ip netns del "$name" 2>/dev/null || true; done
}
begin_scratch
cd "$scratch"
for name in "$fe" "$be" "$client"; do
  said=$({ ip netns add "$name" && ip netns exec "$name" ip link set lo up; } 2>&1) ||
    { skip "network namespaces: they cannot be made here: $(head -n 1 <<<"$said")"; exit 77; }
done
# join A ADDRESS B ADDRESS: a cable between two namespaces.
join() {
  cables=$((${cables:-0} + 1))
  ip link add "a$cables" netns "$1" type veth peer name "b$cables" netns "$3"
  ip -n "$1" addr add "$2/24" dev "a$cables" && ip -n "$1" link set "a$cables" up
  ip -n "$3" addr add "$4/24" dev "b$cables" && ip -n "$3" link set "b$cables" up
}
said=$({
  join "$fe" 10.213.1.1 "$client" 10.213.1.2 && join "$fe" 10.213.0.1 "$be" 10.213.0.2 && join "$be" 10.213.2.1 "$client" 10.213.2.2
} 2>&1) || { skip "network namespaces: no veth pairs here: $(head -n 1 <<<"$said")"; exit 77; }

passed=0
ok() { passed=$((passed + 1)); say "ok: $*"; }
fail() {
  [ ! -e "$scratch/err" ] || tail -n 5 "$scratch/err" >&2
  die 1 "$*"
}
there() { ip netns exec "$client" "$@"; }
# reaches ADDRESS PORT: does the client get a connection?
reaches() { there timeout 5 bash -c "exec 3<>/dev/tcp/$1/$2" 2>/dev/null; }
# ends CODE COMMAND…: in the client's namespace, with this exit code; what it said is in err.
ends() {
  local code=0 want=$1
  shift
  there "$@" 2>"$scratch/err" >"$scratch/out" </dev/null || code=$?
  [ "$code" -eq "$want" ] || fail "$* ends with $code, not with $want"
}
says() { grep -qF -- "$1" "$scratch/err" || fail "it does not say: $1"; }

# cluster NAME=…: a fresh cluster with the table plant.m; one back end for each name that it goes by.
cluster() {
  local args=() name port=8040
  end_cluster
  for name in "$@"; do
    args+=(--be-listen "0.0.0.0:$port" --be-name "$name")
    port=$((port + 1))
  done
  rm -f ready
  ip netns exec "$fe" ts-sim starrocks --quiet --listen 0.0.0.0:8030 --mysql-listen 0.0.0.0:9030 --be-netns "$be" "${args[@]}" \
    --server-version 4.0.4 --flight-listen 0.0.0.0:9408 --be-flight-listen 0.0.0.0:9419 --sql table.sql --ready-file ready --log-requests requests >/dev/null 2>sim.log &
  running=$!
  wait_for ready 60 "$running" || die 70 "the cluster does not start: $(tail -n 3 sim.log)"
}
url='starrocks://root@10.213.1.1:9030/plant?http=8030'
load() { ends "$1" sr-stream-load --url "$url" --table m --retries 2 --poll 50ms --batch-rows 1000 --concurrency 1 "${@:2}"; }
# held: rows in the table, read through the front end.
held() { there sr-export --quiet --url "$url" --table m 2>/dev/null | tail -n +2 | wc -l; }
# whole WHAT: the table holds what was loaded, cell by cell, and each row once.
whole() {
  [ "$(held)" -eq "$rows" ] || fail "$1: $(held) rows, not $rows"
  there sr-export --quiet --url "$url" --table m -t arrow -o back.arrow 2>err || fail "$1: it cannot be read back"
  ts-verify compare --quiet --measurement m meters.arrow back.arrow >out 2>err || fail "$1: not equal"
  ok "$1: $rows rows, equal cell by cell"
}
# by NODE: loads that a back end has taken.
by() { grep '_stream_load\|transaction/load' requests | grep '"status":200' | grep -c "\"node\":\"$1\"" || true; }

ts-gen meters --rows "$rows" --tables 5 --quiet -o meters.arrow 2>err
{ echo 'CREATE DATABASE plant;'; sr-stream-load --quiet --url "$url" --table m --ddl --model duplicate --partition-by none meters.arrow 2>err | tr '\n' ' '; echo; } >table.sql
names=(be-0.cluster.invalid:8040 10.213.0.2:8041)
maps=(--be-map be-0.cluster.invalid=10.213.2.1 --be-map 10.213.0.2:8041=10.213.2.1:8041)

cluster "${names[@]}"
for at in '10.213.1.1 8030' '10.213.1.1 9030' '10.213.2.1 8041'; do
  # shellcheck disable=SC2086 # two words
  reaches $at || fail "the client does not reach $at"
done
for at in '10.213.1.1 8040' '10.213.0.2 8041'; do
  # shellcheck disable=SC2086
  ! reaches $at || fail "the client reaches $at"
done
if command -v curl >/dev/null; then
  code=0
  there curl -sS --max-time 20 --location-trusted -u root: -H 'Expect: 100-continue' -T meters.arrow "http://10.213.1.1:8030/api/plant/m/_stream_load" >out 2>err || code=$?
  [ "$code" -eq 6 ] || fail "curl ends with $code: it should not resolve the name (6)"
  cluster "${names[@]}"
fi
ok "the client sees the front end, and no back end where the front end says it is"

load 6 meters.arrow
says be-0.cluster.invalid:8040
says '--be-map OLD=NEW'
[ "$(held)" -eq 0 ] || fail "rows are there"
ok "a name that nobody resolves: exit 6, it is named, and what to do; nothing is loaded"
cluster "${names[1]}"
load 5 meters.arrow
says 10.213.0.2:8041
says '--be-map OLD=NEW'
[ "$(held)" -eq 0 ] || fail "rows are there"
ok "an address without a route: exit 5 after the retries, it is named, and what to do; nothing is loaded"

cluster "${names[@]}"
load 0 "${maps[@]}" meters.arrow
{ [ "$(by be1)" -gt 0 ] && [ "$(by be2)" -gt 0 ]; } || fail "the back ends took $(by be1) and $(by be2) loads"
whole "both back ends mapped"
[ "$(grep -c _stream_load requests)" -eq $((2 * ((rows + 999) / 1000))) ] || fail "more requests than two for each load"
cluster "${names[@]}"
load 0 "${maps[@]}" --txn --label night meters.arrow
whole "a transaction, every step with the back end that began it"

# Rows from the back end itself: by its name nothing is read, and no file is left; mapped all of it is.
flight() { ends "$1" sr-export --url "$url&flight=9408" --table m --via flight --retries 2 -t arrow -o flight.arrow "${@:2}"; }
flight 4
says be-0.cluster.invalid:9419
says --be-map
[ ! -e flight.arrow ] || fail "a file is left of what could not be read"
flight 0 "${maps[@]}"
[ "$(sed -n 's/.* rows=\([0-9]*\).*/\1/p' err | tail -n 1)" -eq "$rows" ] || fail "--via flight: not $rows rows"
ts-verify compare --quiet --measurement m meters.arrow flight.arrow >out 2>err || fail "--via flight: not equal"
ok "sr-export --via flight: the back end is named, and mapped it gives $rows rows, equal cell by cell"

# Bad rows, and the list of them that stands on the back end: each of the two has the turn for one.
there sr-export --quiet --url "$url" --table m --limit 2 2>/dev/null >good.csv
awk -F, -v OFS=, 'NR == 3 { $2 = sprintf("%300s", "x") } { print }' good.csv >bad.csv
for n in 1 2; do
  load 8 "${maps[@]}" --label-prefix "bad-$n" --rejects rejects.csv --max-rejects 1 bad.csv
  says 'splits=0'
  grep -q '^# .*is too long' rejects.csv || fail "the reason of the back end is not among the rejects"
  load 0 "${maps[@]}" --label-prefix "good-$n" good.csv
done
[ "$(grep -c _load_error_log requests)" -eq 2 ] || fail "the list of bad rows was not fetched"
{ grep _load_error_log requests | grep -q '"node":"be1"' && grep _load_error_log requests | grep -q '"node":"be2"'; } || fail "the lists are not of both back ends"
ok "bad rows are known by the lists of both back ends, fetched where they are mapped to"

cluster "${names[@]}"
load 0 --be-url http://10.213.2.1:8041 meters.arrow
[ "$(by be1)" -eq 0 ] || fail "the other back end was asked"
whole "--be-url, no front end asked"
# What operators of such clusters put up: a proxy at the front end that goes to the back end by itself.
cluster "${names[@]}"
rm -f proxy
ip netns exec "$fe" ts-sim proxy --quiet --listen 10.213.1.1:8080 --upstream http://10.213.0.2:8040 --ready-file proxy >/dev/null 2>proxy.log &
pids+=($!)
wait_for proxy 60 $! || die 70 "the proxy does not start: $(tail -n 3 proxy.log)"
url=${url/8030/8080}
load 0 --fe-proxy meters.arrow
url=${url/8080/8030}
whole "--fe-proxy, by the front end's network alone"
echo "$passed passed"
