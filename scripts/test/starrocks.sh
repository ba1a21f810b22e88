#!/usr/bin/env bash
# From one simulated StarRocks cluster to another: partitions to Parquet in an object store, events through a queue, loads
# into the target, compared cell by cell; then again, killed with kill -9 at random moments and run again until it ends.
#
#   scripts/test/starrocks.sh [--rows N] [--kills N] [--store s3|folder|both]      (20000, 3, both)
#
# s3 is moto's server from PyPI, with notifications from S3 to SQS; where that cannot be had it is skipped, and said. The
# target's table has a Duplicate Key: a row that is loaded twice is there twice.
# Exit: 0 as it should be, 1 not.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
tools_on_path

rows=20000 kills=3 stores="folder s3"
while [ $# -gt 0 ]; do
  case $1 in
    --rows) rows=$2; shift 2 ;;
    --kills) kills=$2; shift 2 ;;
    --store) [ "$2" = both ] || stores=$2; shift 2 ;;
    *) die 2 "usage: starrocks.sh [--rows N] [--kills N] [--store s3|folder|both]" ;;
  esac
done
passed=0 running="" strain=()
ok() { passed=$((passed + 1)); say "ok: $*"; }
fail() { [ ! -e "$scratch/out" ] || tail -n 20 "$scratch/out" >&2; die 1 "$*"; }
moto=""
before_end() {
  [ -z "$running" ] || pkill -9 -s "$running" 2>/dev/null || true
  [ -z "$moto" ] || "$here/../live/moto.sh" stop "$moto" >/dev/null 2>&1 || true
}
begin_scratch
cd "$scratch"

# Twenty months, a partition each.
ts-gen sensors --rows "$rows" --tables 20 --start 2023-01-01 --interval "$((20 * 30 * 86400 / (rows / 20)))s" --quiet -o "$scratch/sensors.csv" 2>/dev/null
simulate source starrocks --load "plant.sensors=$scratch/sensors.csv" --log-requests "$scratch/requests-source"
source=$url
of() { sr-export --quiet --url "${1/\?//plant?}" "${@:2}" 2>/dev/null; }
partitions=$(of "$source" --list | tail -n +2 | wc -l)
[ "$partitions" -ge 20 ] || fail "the source has $partitions partitions"
{ echo 'CREATE DATABASE plant;'; of "$source" --ddl; } >"$scratch/tables.sql"

# host, port URL: of a simulator
port() { local rest=${1#*://*:}; printf '%s\n' "${rest%%[?/]*}"; }
web() { local rest=${1#*http=}; printf '%s\n' "${rest%%&*}"; }

# target NAME STORE [KEY=VALUE…]: a fresh target and an environment file for it. Sets $env and $target.
target() {
  simulate "target-$1" starrocks --sql "$scratch/tables.sql" --log-requests "$scratch/requests-$1" "${strain[@]}"
  target=$url env=$scratch/env-$1
  cat >"$env" <<END
CONCURRENCY=3
STORAGES=$2
SOURCE_HOST=127.0.0.1
SOURCE_PORT=$(port "$source")
SOURCE_HTTP_PORT=$(web "$source")
SOURCE_USER=root
SOURCE_PWD=
SOURCE_DB_NAME=plant
TARGET_HOST=127.0.0.1
TARGET_PORT=$(port "$target")
TARGET_HTTP_PORT=$(web "$target")
TARGET_USER=root
TARGET_PWD=
TARGET_DB_NAME=plant
TABLE_NAMES=sensors,
RUN_OPTIONS=--retry-wait 100ms
JOB=$1
END
  printf '%s\n' "${@:3}" >>"$env"
}
manager() { "$here/../starrocks/$1.sh" --env "$env" "${@:2}"; }

# whole NAME: the verdict is equal, and the target has every row once.
whole() {
  local there
  grep -q "^verdict: equal ($partitions partitions)$" "$scratch/out" || fail "$1: not equal"
  there=$(of "$target" --list | awk -F, 'NR > 1 { n += $5 } END { print n + 0 }')
  [ "$there" -eq "$rows" ] || fail "$1: $there rows in the target, not $rows"
  manager status >"$scratch/status" 2>/dev/null || fail "$1: status.sh says that parts are left"
  [ "$(grep -c '	verified	' "$scratch/status")" -eq "$partitions" ] || fail "$1: not all parts are verified"
  ok "$1: $there rows, $partitions partitions"
}

# killed NAME MILLISECONDS: sync.sh, which takes so long at one go, killed with all that it started, at moments that nobody
# chose; then to its end.
killed() {
  local n moment code hit=0
  for ((n = 1; n <= kills; n++)); do
    setsid "$here/../starrocks/sync.sh" --env "$env" >"$scratch/out" 2>&1 &
    running=$!
    # All of them within its work: on average they take half of it.
    moment=$((RANDOM * ($2 / kills) / 32768))
    sleep "$((moment / 1000)).$(printf %03d $((moment % 1000)))"
    pkill -9 -s "$running" 2>/dev/null || true
    code=0
    wait "$running" 2>/dev/null || code=$?
    [ "$code" -ne 137 ] || hit=$((hit + 1))
    running=""
  done
  manager sync >"$scratch/out" 2>&1 || fail "$1: sync.sh ends with $?"
  whole "$1: there, after kill -9 at $hit of $kills moments in the middle of the work"
}

# by_itself: the clusters write into the bucket and read from it by themselves, and we see what stands in it. Nobody sees the key.
by_itself() {
  local secret=a-secret-of-this-test via code=0 line
  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=$secret AWS_ENDPOINT_URL=$endpoint AWS_REGION=us-east-1
  of "$source" --table sensors -o "$scratch/want.csv"
  for via in files export; do
    sr-export -vv --url "${source/\?//plant?}" --via $via --storage "s3://tsferry/by-$via" --concurrency 3 --poll 100ms \
      >"$scratch/parts" 2>"$scratch/err-$via" &
    while kill -0 $! 2>/dev/null; do ! grep -ls $secret /proc/[0-9]*/cmdline || fail "the key stands on a command line"; done
    wait $! || fail "--via $via ends with $?: $(tail -n 1 "$scratch/err-$via")"
    [ "$(sum_of rows <"$scratch/parts")" -eq "$rows" ] || fail "--via $via: $(sum_of rows <"$scratch/parts") rows"
    head -n 1 "$scratch/want.csv" >"$scratch/got.csv"
    while read -r line; do
      line=${line#*'"path":"'}
      store-ls --quiet "${line%%'"'*}" 2>/dev/null | awk '{ print $NF }'
    done <"$scratch/parts" >"$scratch/objects"
    [ "$(wc -l <"$scratch/objects")" -eq "$partitions" ] || fail "--via $via: $(wc -l <"$scratch/objects") objects"
    while read -r line; do
      if [ $via = files ]; then
        store-get --quiet "$line" 2>/dev/null | ts-convert --quiet -f parquet --output-header none 2>/dev/null
      else
        # Columns parted by \x01, rows by \x02, times without T and zone: as the sample has them, without NULL and fractions.
        store-get --quiet "$line" 2>/dev/null | tr '\001\002' ',\n' | sed -E 's/^(.{10}) (.{8}),/\1T\2.000000Z,/'
      fi
    done <"$scratch/objects" >>"$scratch/got.csv"
    ts-verify compare --quiet --measurement sensors "$scratch/want.csv" "$scratch/got.csv" >"$scratch/out" 2>&1 || fail "--via $via: not equal"
  done
  {
    cat "$scratch/tables.sql"
    echo "INSERT INTO plant.sensors SELECT * FROM FILES('format' = 'parquet', 'aws.s3.access_key' = 'test', 'aws.s3.secret_key' = '$secret',"
    echo "'aws.s3.endpoint' = '$endpoint', 'aws.s3.enable_path_style_access' = 'true', 'path' = 's3://tsferry/by-files/*');"
  } >"$scratch/read.sql"
  store-cp --quiet --recursive s3://tsferry/by-files/ "file://$scratch/by-files/" 2>"$scratch/err" || fail "store-cp: $(tail -n 1 "$scratch/err")"
  # One folder: a * stands for names only.
  find "$scratch/by-files" -name '*.parquet' -exec store-put --quiet s3://tsferry/by-files/ {} + >"$scratch/out" 2>&1 || fail "store-put"
  simulate reader starrocks --sql "$scratch/read.sql"
  of "$url" --table sensors -o "$scratch/got.csv"
  ts-verify compare --quiet --measurement sensors "$scratch/want.csv" "$scratch/got.csv" >"$scratch/out" 2>&1 || fail "read by the cluster: not equal"
  sr-export -vv --retries 1 --url "${source/\?//plant?}" --via files --storage s3://no-such-bucket/x >"$scratch/out" 2>"$scratch/err-none" || code=$?
  [ $code -eq 6 ] || fail "a bucket that is not there: exit $code"
  ! grep -l $secret "$scratch"/requests-source "$scratch"/err-* "$scratch"/*.log "$scratch"/parts || fail "the key is shown"
  unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_ENDPOINT_URL AWS_REGION
  ok "the cluster writes $partitions partitions into the bucket by itself, with FILES and EXPORT, and another reads them"
}

# pacers: those sr-pace that this test has started and that still run.
pacers() { grep -las "$scratch" /proc/[0-9]*/cmdline | xargs -r grep -la '^sr-pace' 2>/dev/null | cut -d / -f 3 || true; }
gone() {
  local end=$((SECONDS + 30))
  while [ -n "$(pacers)" ]; do
    [ $SECONDS -lt $end ] || fail "$1: sr-pace still runs: $(pacers)"
    sleep 0.1
  done
}

# paced: both clusters decide how many parts run at a time. Their tapes say: three quiet looks, one under load, quiet.
paced() {
  local quiet='{"MemUsedPct":30}' busy='{"MemUsedPct":91}' one=$source kind side name changes signal pid looks=0
  printf '%s\n' "$quiet" "$quiet" "$quiet" "$busy" "$quiet" >"$scratch/tape"
  simulate paced starrocks --load "plant.sensors=$scratch/sensors.csv" --metrics-tape "$scratch/tape" --fault 'delay=200ms@1-/mysql/plant/sensors'
  source=$url strain=(--metrics-tape "$scratch/tape" --fault 'delay=200ms@1-/be')
  target paced "file://$scratch/store" CONCURRENCY=auto "WORK_DIR=$scratch/work-paced" 'PACE_OPTIONS=--every 100ms --max-latency 1000'
  manager sync >"$scratch/out" 2>&1 &
  pid=$!
  while kill -0 $pid 2>/dev/null; do
    { manager status || true; } >/dev/null 2>"$scratch/status"
    ! grep -qE '(export|import): [0-9]+ at a time, the last change: [0-9]+ to [0-9]+ at .*Z, [^"]+$' "$scratch/status" || looks=$((looks + 1))
    sleep 0.2
  done
  wait $pid || fail "paced: sync.sh ends with $?"
  [ "$looks" -gt 0 ] || fail "paced: status.sh never said how many at a time"
  whole "paced by both clusters"
  for kind in export import; do
    [ "$kind" = export ] && side=source || side=target
    changes=$(sed -E 's/.*"from":([0-9]+),"to":([0-9]+),"what":"([a-z]+)","why":"([^"]*)".*/\1 \2 \3 \4/' "$scratch/work-paced/$kind/pace.jsonl" | head -n 2)
    [ "$changes" = "2 3 raise quiet for 3 looks, below the low mark
3 1 halve $side 127.0.0.1: memory 91 % is above 80 %" ] || fail "paced: $kind was to have one more, then half: $changes"
    [ "$(grep -c '"exit":0' "$scratch/work-paced/$kind/timings.jsonl")" -eq "$partitions" ] || fail "paced: $kind: not every part was timed"
  done
  gone "paced"
  ok "more parts at a time while the clusters are quiet, half when one is not, and the reasons are kept"
  for signal in KILL TERM; do
    name=paced-$signal
    target "$name" "file://$scratch/store" CONCURRENCY=3 PACE=on "WORK_DIR=$scratch/work-$name" 'PACE_OPTIONS=--every 10m'
    setsid "$here/../starrocks/export.sh" --env "$env" >"$scratch/out" 2>&1 &
    running=$!
    wait_for "$scratch/work-$name/export/jobs" 60 $running || fail "paced: export.sh does not start"
    [ -n "$(pacers)" ] || fail "paced: no sr-pace runs"
    kill "-$signal" $running
    gone "$signal of export.sh alone"
    pkill -9 -s "$running" 2>/dev/null || true
    wait "$running" 2>/dev/null || true
    running=""
  done
  manager sync >"$scratch/out" 2>&1 || fail "paced: sync.sh ends with $?"
  whole "paced, after export.sh was ended by signals"
  gone "paced"
  source=$one strain=()
}

for store in $stores; do
  extra=()
  case $store in
    folder) storage=file://$scratch/store ;;
    s3)
      code=0 moto=$scratch/moto
      endpoint=$("$here/../live/moto.sh" start "$moto" 2>"$scratch/moto.log") || code=$?
      if [ "$code" -ne 0 ]; then
        moto=""
        [ "$code" -eq 10 ] || { tail -n 3 "$scratch/moto.log" >&2; fail "moto does not start"; }
        skip "StarRocks through S3 and SQS: moto cannot be installed"
        continue
      fi
      storage=s3://tsferry/jobs queue=$endpoint/123456789012/parts
      extra=(AWS_REGION=us-east-1 AK=test SK=test-secret "AWS_ENDPOINT_URL=$endpoint" "TASK_QUEUE=$queue" IMPORT_IDLE=2s)
      # By a client that is not ours; moto takes any signature.
      curl -sSf -o /dev/null -H 'x-amz-target: AmazonSQS.CreateQueue' -H 'content-type: application/x-amz-json-1.0' \
        -H 'authorization: AWS4-HMAC-SHA256 Credential=test/20200101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0' \
        -d '{"QueueName":"parts","Attributes":{"VisibilityTimeout":"10"}}' "$endpoint/"
      curl -sSf -o /dev/null -X PUT -H 'content-type: application/xml' \
        -H 'authorization: AWS4-HMAC-SHA256 Credential=test/20200101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0' \
        --data-binary '<NotificationConfiguration><QueueConfiguration><Queue>arn:aws:sqs:us-east-1:123456789012:parts</Queue><Event>s3:ObjectCreated:*</Event></QueueConfiguration></NotificationConfiguration>' \
        "$endpoint/tsferry?notification"
      ;;
  esac
  target "$store" "$storage" "${extra[@]}"
  took=${EPOCHREALTIME/[.,]/}
  manager sync >"$scratch/out" 2>&1 || fail "$store: sync.sh ends with $?"
  took=$(((${EPOCHREALTIME/[.,]/} - took) / 1000))
  whole "$store: there, at one go"
  before=$(grep -c _stream_load "$scratch/requests-$store" || true)
  manager retry >"$scratch/out" 2>&1 || fail "$store: retry.sh ends with $?"
  [ "$(grep -c _stream_load "$scratch/requests-$store" || true)" -eq "$before" ] || fail "$store: retry.sh loaded a part again"
  ok "$store: nothing is sent again where nothing is left"
  [ "$store" != s3 ] || by_itself

  target "$store-killed" "$storage" "${extra[@]}"
  killed "$store" "$took"
done

case $stores in *folder*) paced ;; esac

# A value that differs is found, and named by its partition.
before_rows=$(of "$target" --list | tail -n +2 | wc -l)
[ "$before_rows" -eq "$partitions" ] || fail "the target has $before_rows partitions"
head -n 1 "$scratch/sensors.csv" >"$scratch/one.csv"
sed -n 2p "$scratch/sensors.csv" >>"$scratch/one.csv"
sr-stream-load --quiet --url "${target/\?//plant?}" --table sensors "$scratch/one.csv" 2>"$scratch/err" || fail "a row cannot be loaded: $(cat "$scratch/err")"
code=0
manager validate >"$scratch/out" 2>&1 || code=$?
{ [ "$code" -eq 1 ] && grep -q 'partition p202301: DIFFERENT' "$scratch/out"; } || fail "a row that is there twice: validate.sh ends with $code"
grep -q "$((partitions - 1)) partitions by hashes that the clusters made" "$scratch/out" || fail "the other partitions are not compared by hashes"
ok "a row that is there twice is found in its partition, and only there rows are read"
manager validate --deep >"$scratch/deep" 2>&1 && fail "--deep: equal"
diff <(grep -h 'DIFFERENT' "$scratch/out") <(grep -h 'DIFFERENT' "$scratch/deep") >&2 || fail "--deep says something else than the hashes"
! grep -q 'by hashes' "$scratch/deep" || fail "--deep takes hashes"
ok "all rows read, the same is found"
printf '%s\n' "$(head -n 1 "$scratch/sensors.csv")" "$(sed -n '2s/^[^,]*/2020-01-01T00:00:00.000Z/p' "$scratch/sensors.csv")" >"$scratch/one.csv"
sr-stream-load --quiet --url "${target/\?//plant?}" --table sensors "$scratch/one.csv" 2>"$scratch/err" || fail "a row cannot be loaded: $(cat "$scratch/err")"
code=0
manager validate >"$scratch/out" 2>&1 || code=$?
{ [ "$code" -eq 1 ] && grep -q 'partition p202001: extra in the target' "$scratch/out"; } || fail "a partition that only the target has: validate.sh ends with $code"
ok "a partition that only the target has is found"
echo "$passed passed"
