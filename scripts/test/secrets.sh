#!/usr/bin/env bash
# No secret is seen by others: every tool that logs in, in every way that a password or token may be given, well and badly,
# and whole migrations, under a watcher of all command lines (/proc/*/cmdline). What they print at their most talkative and
# every file that they write is searched, too: for the secret as it is, encoded for URLs, and in base64.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
tools_on_path

begin_scratch
passed=0
ok() { passed=$((passed + 1)); say "ok: $*"; }

# The secret, and what it must not be found as. Nothing here may have it in an argument: it is read from files.
mine=n0b0dy$$x$RANDOM # not that of another run on this machine
secret="$mine/Pa+ss:w0rd&9"
in_url="$mine%2FPa%2Bss%3Aw0rd%269"
{
  printf '%s\n' "$mine"
  # Base64 of it behind any beginning: all but the ends is the same for each place in a group of three.
  for before in '' x xx root: u:; do printf '%s' "$before$secret" | base64 -w 0 | sed -E 's/^.{8}(.*).{8}$/\1\n/'; done
  printf '%s' "$secret" | od -An -v -tx1 | tr -d ' \n' | sed 's/$/\n/'
} >"$scratch/needles"
printf '%s\n' "$secret" >"$scratch/secret"
said=$scratch/said
mkdir "$said"

# --- the watcher: every command line but those of the simulators, which have no other way ---------------------------
watch() {
  local file pid name rounds=0
  printf '0\n' >"$scratch/rounds"
  while [ ! -e "$scratch/stop" ]; do
    while read -r file; do
      pid=${file#/proc/} pid=${pid%%/*}
      name=$(cat "/proc/$pid/comm" 2>/dev/null) || name=gone
      [ "$name" = ts-sim ] || printf '%s %s\n' "$pid" "$name" >>"$scratch/seen"
    done < <(grep -lsF -f "$scratch/needles" /proc/[0-9]*/cmdline)
    rounds=$((rounds + 1))
    printf '%s\n' "$rounds" >"$scratch/rounds.new"
    mv "$scratch/rounds.new" "$scratch/rounds"
  done
}
: >"$scratch/seen"
watch &
watcher=$!
before_end() { touch "$scratch/stop"; }

# It sees what it should: a process that lives for a third of a second with the secret among its arguments.
(exec -a "decoy --password=$secret" sleep 0.3) || true
[ -s "$scratch/seen" ] || die 1 "the watcher does not see a secret on a command line"
# Until it has looked once more, so that it does not see the same one again.
now=$(cat "$scratch/rounds")
until [ "$(cat "$scratch/rounds")" -ge $((now + 2)) ]; do sleep 0.02; done
: >"$scratch/seen"
# So does the search through files.
printf 'Authorization: Basic %s\n' "$(printf 'root:%s' "$secret" | base64 -w 0)" >"$said/decoy"
grep -rqF -f "$scratch/needles" "$said" || die 1 "the search does not see a secret in base64"
rm "$said/decoy"
ok "the watcher sees a decoy on a command line, the search one in a file"

# unseen WHAT: nothing was seen until now, and nothing said or written.
unseen() {
  [ ! -s "$scratch/seen" ] || die 1 "$1: the secret stood on a command line: $(sort -u "$scratch/seen")"
  local found
  found=$(grep -rlF -f "$scratch/needles" "$said" || true)
  [ -z "$found" ] || die 1 "$1: the secret stands in $found: $(grep -haoF -f "$scratch/needles" -- "${found%%$'\n'*}" | sort -u | head -n 3)"
}

# --- the servers ---------------------------------------------------------------------------------------------------
ts-gen sensors --rows 2000 --tables 5 --interval 10s --quiet -o "$scratch/sensors.csv" 2>/dev/null
lp-encode --quiet --measurement sensors "$scratch/sensors.csv" -o "$scratch/sensors.lp" 2>/dev/null
moved=(--fault status=302) slow=(--fault delay=20ms)
server=(tdengine --server-version 3.4.0.0 --password "$secret" --token "$secret" --load "demo.sensors=$scratch/sensors.csv")
simulate td "${server[@]}" "${slow[@]}"
td=${url#http://}
simulate td-moved "${server[@]}" "${moved[@]}"
td_moved=${url#http://}
v1=(influx --flavor 1.8 --database demo --auth "u:$secret" --load "$scratch/sensors.lp")
simulate one "${v1[@]}" "${slow[@]}"
one=${url#http://}
simulate one-moved "${v1[@]}" "${moved[@]}"
one_moved=${url#http://}
v2=(influx --flavor 2.9 --org o --bucket demo --token "$secret" --load "$scratch/sensors.lp")
simulate two "${v2[@]}" "${slow[@]}"
two=${url#http://}
simulate two-moved "${v2[@]}" "${moved[@]}"
two_moved=${url#http://}

# --- the tools -----------------------------------------------------------------------------------------------------
# attempt NAME CODES SIDE KIND WAY URL COMMAND…: WAY is how the secret is given: by variable, by file, or within the URL,
# which stands in a variable then. The URL holds @@ where user and password go, or a ? where the token may follow.
attempt() {
  local name=$1 codes=$2 side=$3 kind=$4 way=$5 url=$6 code=0 lower=${4,,} form=text
  shift 6
  [ $((passed % 2)) -eq 0 ] || form=json
  mkdir -p "$said/$name"
  (
    cd "$said/$name"
    args=(-vv --log-format "$form" --summary-file summary.json --metrics-file metrics.prom)
    case $way in
      variable) export "TS_${side}_$kind=$secret" ;;
      file) args+=("--$lower-file" "$scratch/secret") ;;
      url)
        if [ "$kind" = TOKEN ]; then
          [[ $url == *\?* ]] && url="$url&token=$in_url" || url="$url?token=$in_url"
        else
          url=${url/@/:$in_url@}
        fi
        ;;
    esac
    export "TS_${side}_URL=$url" TS_RECEIPT_DIR=. RUST_BACKTRACE=full
    exec "$@" "${args[@]}" >stdout 2>stderr <"$scratch/sensors.lp"
  ) || code=$?
  [[ " $codes " == *" $code "* ]] || { cat "$said/$name/stderr" >&2; die 1 "$name: exit $code, not $codes"; }
  unseen "$name"
  passed=$((passed + 1))
}

# every_way NAME SIDE KIND URL HOST MOVED FAILED COMMAND…: all ways with the right secret and a wrong one, then whatever else
# goes wrong; FAILED is the code of a side that cannot be reached.
every_way() {
  local name=$1 side=$2 kind=$3 url=$4 host=$5 elsewhere=$6 failed=$7 way right=$secret right_in_url=$in_url
  shift 7
  for way in variable file url; do
    attempt "$name-$kind-$way" 0 "$side" "$kind" "$way" "${url/HOST/$host}" "$@"
    secret=wrong-$right in_url=wrong-$right_in_url
    printf '%s\n' "$secret" >"$scratch/secret"
    attempt "$name-$kind-$way-wrong" 6 "$side" "$kind" "$way" "${url/HOST/$host}" "$@"
    secret=$right in_url=$right_in_url
    printf '%s\n' "$secret" >"$scratch/secret"
    attempt "$name-$kind-$way-nobody" "$failed" "$side" "$kind" "$way" "${url/HOST/127.0.0.1:1}" "$@"
  done
  attempt "$name-$kind-moved" "$failed 6" "$side" "$kind" url "${url/HOST/$elsewhere}" "$@"
  # TLS with a server that has none: a wrong address rather than a failure that may pass.
  local tls=${url/+http:/+https:}
  tls=${tls/tdengine:/tdengines:}
  attempt "$name-$kind-tls" "$failed 6" "$side" "$kind" variable "${tls/HOST/$host}" "$@"
  # A proxy with a password of its own in the environment is for others.
  (
    export http_proxy="http://u:$secret@127.0.0.1:1" https_proxy="http://u:$secret@127.0.0.1:1" all_proxy="http://u:$secret@127.0.0.1:1"
    attempt "$name-$kind-proxy" 0 "$side" "$kind" variable "${url/HOST/$host}" "$@"
  )
  ok "$name with a $kind: by variable, file and URL; right, wrong, unreachable, moved, no TLS, a proxy"
}
brief=(--retries 1 --timeout 10s)
quick=("${brief[@]}" --reconnect-interval 10ms)
every_way td-dump SOURCE PASSWORD tdengine://root@HOST/demo "$td" "$td_moved" 4 td-dump --table sensors "${quick[@]}"
every_way td-dump-rest SOURCE TOKEN tdengine+http://HOST/demo "$td" "$td_moved" 4 td-dump --table sensors "${quick[@]}"
every_way td-dump-rest SOURCE PASSWORD tdengine+http://root@HOST/demo "$td" "$td_moved" 4 td-dump --table sensors "${quick[@]}"
every_way ts-plan SOURCE PASSWORD tdengine://root@HOST/demo "$td" "$td_moved" 4 ts-plan "${brief[@]}" -o plan.tsv
every_way influx-dump-1 SOURCE PASSWORD influx1+http://u@HOST/demo "$one" "$one_moved" 4 influx-dump "${brief[@]}" --measurement sensors
every_way influx-dump-2 SOURCE TOKEN "influx2+http://HOST/?org=o&bucket=demo" "$two" "$two_moved" 4 influx-dump "${brief[@]}" --measurement sensors
every_way influx-write-1 TARGET PASSWORD influx1+http://u@HOST/demo "$one" "$one_moved" 5 influx-write "${brief[@]}" --rejects rejects
every_way influx-write-2 TARGET TOKEN "influx2+http://HOST/?org=o&bucket=demo" "$two" "$two_moved" 5 influx-write "${brief[@]}" --rejects rejects

# --- StarRocks: the password, and the key of an object store, which stands in the statements for the cluster --------------
server=(starrocks --password "$secret" --load "demo.sensors=$scratch/sensors.csv")
simulate sr "${server[@]}" --log-requests "$said/sr-requests"
sr=${url/\?//demo?}
for way in variable file url; do
  attempt "sr-export-$way" 0 SOURCE PASSWORD $way "$sr" sr-export "${brief[@]}" --table sensors
  attempt "sr-stream-load-$way" 0 TARGET PASSWORD $way "$sr" sr-stream-load "${brief[@]}" --table sensors "$scratch/sensors.csv"
  right=$secret right_in_url=$in_url secret=wrong-$secret in_url=wrong-$in_url
  printf '%s\n' "$secret" >"$scratch/secret"
  attempt "sr-export-$way-wrong" 6 SOURCE PASSWORD $way "$sr" sr-export "${brief[@]}" --table sensors
  attempt "sr-stream-load-$way-wrong" 6 TARGET PASSWORD $way "$sr" sr-stream-load "${brief[@]}" --table sensors "$scratch/sensors.csv"
  secret=$right in_url=$right_in_url
  printf '%s\n' "$secret" >"$scratch/secret"
done
for via in files export; do
  (
    export AWS_ACCESS_KEY_ID=key AWS_SECRET_ACCESS_KEY="$secret" AWS_SESSION_TOKEN="$secret" AWS_ENDPOINT_URL=http://127.0.0.1:1
    there=(sr-export --retries 0 --timeout 60s --via "$via" --poll 50ms --storage s3://b/x)
    attempt "sr-export-$via" 4 SOURCE PASSWORD variable "$sr" "${there[@]}"
    attempt "sr-export-$via-plan" 0 SOURCE PASSWORD variable "$sr" "${there[@]}" --dry-run
    grep -qF "'aws.s3.secret_key' = '***'" "$said/sr-export-$via-plan/stdout" || die 1 "the plan of --via $via does not show where the key goes"
  )
done
ok "StarRocks: the password by variable, file and URL, right and wrong; the key of an object store in statements"

# --- a secret from a file is in no environment, and an environment is nobody's but its owner's ----------------------
(
  export TS_SOURCE_URL=tdengine://root@$td/demo
  cd "$said"
  exec td-dump --table sensors --password-file "$scratch/secret" --split time:1m --concurrency 1 >from-file 2>&1
) &
dump=$!
until [ "$(cat /proc/$dump/comm)" = td-dump ]; do sleep 0.01; done
tr '\0' '\n' <"/proc/$dump/environ" >"$said/environ"
grep -q '^TS_SOURCE_URL=' "$said/environ" || die 1 "the environment of td-dump cannot be read, so nothing was looked at"
unseen "a password from a file"
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
  if setpriv --reuid 65534 --regid 65534 --clear-groups cat "/proc/$dump/environ" >/dev/null 2>&1; then
    die 1 "another user can read the environment of a tool"
  fi
  setpriv --reuid 65534 --regid 65534 --clear-groups cat "/proc/$dump/cmdline" >/dev/null || die 1 "another user sees no command line: the watcher proves nothing"
  ok "another user reads the command line of a tool, and not its environment"
else
  skip "the view of another user: it takes root and setpriv (util-linux)"
fi
wait "$dump" || die 1 "td-dump with a password from a file ends with $?"
ok "a password from a file is in no environment"

# --- whole migrations ----------------------------------------------------------------------------------------------
migration() { # WORK CODE WHAT ARGS…: with $scratch/env, all that is said and written under $said
  local work=$said/$1 want=$2 what=$3 code=0
  shift 3
  "$here/../run_migration.sh" --env "$scratch/env" --work-dir "$work" "$@" >"$work.out" 2>&1 || code=$?
  [ "$code" -eq "$want" ] || { cat "$work.out" >&2; die 1 "a migration, $what: exit $code, not $want"; }
  unseen "a migration, $what"
  ok "a migration, $what"
}
environment() { # SOURCE-URL TARGET-URL LINES…
  printf '%s\n' "TS_SOURCE_URL=$1" "TS_TARGET_URL=$2" WINDOW=15m CONCURRENCY=2 "RUN_OPTIONS=--retries 1 --retry-wait 50ms" \
    "WRITE_OPTIONS=--retries 1" "VERIFY_OPTIONS=--html $said/report.html" "${@:3}" >"$scratch/env"
}
simulate target influx --flavor 2.9 --org o --bucket demo --token "$secret" --fault delay=10ms
into="influx2+$url/?org=o&bucket=demo"
environment "tdengine://root@$td/demo" "$into" "TS_SOURCE_PASSWORD=$secret" "TS_TARGET_TOKEN=$secret"
migration own 0 "its secrets in variables"
printf 'sensors,device_id=device_0001,location=Shanghai temperature=99.5 1704067200000000000\n' >"$scratch/other.lp"
(export TS_TARGET_TOKEN="$secret" TS_TARGET_URL="$into"; exec influx-write --quiet "$scratch/other.lp") 2>/dev/null
migration own 1 "a value altered" --resume
migration own 0 "repaired" --resume --repair
environment "tdengine://root:$in_url@$td/demo" "$into&token=$in_url"
migration urls 0 "its secrets in the URLs"
environment "tdengine://root:$in_url@$td/demo" "influx2+http://127.0.0.1:1/?org=o&bucket=demo&token=$in_url"
migration down 5 "its target down"
environment "tdengine://root:wrong-$in_url@$td/demo" "$into&token=$in_url"
migration wrong 6 "a wrong password"

# One split by hand, with all that its stages can say.
mkdir "$said/loud"
cat >"$said/loud/pipeline.sh" <<'END'
td-dump -vv --table "$TS_SPLIT_TABLE" --since "$TS_SPLIT_FROM" --until "$TS_SPLIT_TO" -t arrow |
  lp-encode -vv --measurement "$TS_SPLIT_TABLE" |
  influx-write -vv --rejects "$TS_SPLIT_REJECTS"
END
(
  cd "$said/loud"
  export TS_SOURCE_URL="tdengine://root:$in_url@$td/demo" TS_TARGET_URL="$into&token=$in_url" TS_STATE_DIR=.
  ts-plan -vv -o plan.tsv
  ts-state pending >pending
  while read -r split; do ts-run -vv "$split" || exit; done <pending
  ts-state report -vv
) >"$said/loud.out" 2>&1 || { cat "$said/loud.out" >&2; die 1 "a split whose stages say all they can"; }
unseen "stages that say all they can"
ok "stages that say all they can: $(cat "$said"/loud/logs/*/stderr.log | wc -l) lines"

touch "$scratch/stop"
wait "$watcher"
unseen "all of it"
[ "$(cat "$scratch/rounds")" -gt 100 ] || die 1 "the watcher looked only $(cat "$scratch/rounds") times"
say "the watcher looked $(cat "$scratch/rounds") times, $(find "$said" -type f | wc -l) files were searched"
echo "test result: ok. $passed passed; 0 failed; secrets that nobody sees"
