#!/usr/bin/env bash
# Queues against a server that is not ours: S3 and SQS of moto (from PyPI), with notifications from one to the other.
# Objects are put, their events worked on by queue-recv with faults between (503, a delete whose reply is lost), killed and
# resumed; whatever happens, each object is worked on, and none stays in the queue.
#
#   scripts/test/queue.sh [OBJECTS]      (12)
#
# Exit: 0 as it should be, 1 not, 77 skipped (no python3, no pip).
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/lib.sh
tools_on_path
objects=${1:-12}
passed=0

begin_scratch
moto=$scratch/moto
code=0
endpoint=$(scripts/live/moto.sh start "$moto" 2>"$scratch/moto.log") || code=$?
if [ "$code" -ne 0 ]; then
  tail -n 3 "$scratch/moto.log" >&2
  [ "$code" -eq 10 ] || exit 1
  skip "queues of SQS: moto cannot be installed"
  exit 77
fi
before_end() { scripts/live/moto.sh stop "$moto" >/dev/null 2>&1 || true; }

export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test-secret AWS_REGION=us-east-1 AWS_ENDPOINT_URL=$endpoint
account=123456789012
queue=sqs+http://${endpoint#http://}/$account/files

# sqs CALL JSON: a call of SQS, by a client that is not ours.
sqs() {
  curl -sSf --max-time 30 -H "x-amz-target: AmazonSQS.$1" -H 'content-type: application/x-amz-json-1.0' \
    -H 'authorization: AWS4-HMAC-SHA256 Credential=test/20200101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0' \
    -d "$2" "$endpoint/"
}
# s3 METHOD PATH [DATA]
s3() {
  curl -sSf --max-time 30 -X "$1" -H 'content-type: application/xml' -H 'authorization: AWS4-HMAC-SHA256 Credential=test/20200101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0' \
    ${3+--data-binary "$3"} "$endpoint/$2"
}
fail() {
  say "FAILED: $*"
  exit 1
}
ok() {
  passed=$((passed + 1))
  say "$*"
}
# left: messages in the queue, visible or hidden
left() {
  sqs GetQueueAttributes "{\"QueueUrl\":\"$endpoint/$account/files\",\"AttributeNames\":[\"All\"]}" |
    grep -oE '"ApproximateNumberOfMessages(NotVisible)?": ?"[0-9]+"' | grep -oE '[0-9]+' | awk '{ n += $1 } END { print n + 0 }'
}
recv() { queue-recv --quiet --url "$queue" "$@"; }
# work: what is run for each object; $work gets a line for each end
work=$scratch/work
export work
# shellcheck disable=SC2016 # the worker's variables
worker='echo "$TS_EVENT_KEY" >>"$work"'
# worked N: are there exactly N different keys in $work, and no other lines than these?
worked() {
  [ "$(sort -u "$work" | wc -l)" -eq "$1" ] || fail "$(sort -u "$work" | wc -l) objects were worked on, not $1"
}

sqs CreateQueue '{"QueueName":"files"}' >/dev/null
s3 PUT bucket >/dev/null
s3 PUT 'bucket?notification' "<NotificationConfiguration><QueueConfiguration><Queue>arn:aws:sqs:us-east-1:$account:files</Queue><Event>s3:ObjectCreated:*</Event></QueueConfiguration></NotificationConfiguration>" >/dev/null

# put N PREFIX: objects whose names need encoding
put_objects() {
  local n
  for ((n = 0; n < $1; n++)); do
    printf 'row %s\n' "$n" | store-put --quiet "s3://bucket/$2/d b/part+$n.csv" - >/dev/null 2>"$scratch/put.log" || fail "store-put: $(cat "$scratch/put.log")"
  done
}

# --- events of S3, decoded ------------------------------------------------------------------------------------------
put_objects "$objects" job
recv --idle 1s --concurrency 4 -- sh -c "$worker" 2>"$scratch/log" || fail "exit $?: $(cat "$scratch/log")"
worked "$objects"
grep -qx 'job/d b/part+0.csv' "$work" || fail "keys are not decoded: $(head -n 1 "$work")"
[ "$(left)" -eq 0 ] || fail "$(left) messages are left"
ok "$objects objects put, their events worked on, the queue empty (test event and all)"

# --- by the queue's name alone, printed and acknowledged --------------------------------------------------------------
put_objects 2 job
queue-recv --url "sqs+http://${endpoint#http://}/files" --limit 2 2>/dev/null >"$scratch/events"
[ "$(left)" -eq 2 ] || fail "printed events are deleted"
queue-ack --url "$queue" "$scratch/events" 2>"$scratch/log" || fail "queue-ack: exit $?: $(cat "$scratch/log")"
[ "$(left)" -eq 0 ] || fail "acknowledged messages are left"
ok "printed and acknowledged"

# --- one that fails comes back ----------------------------------------------------------------------------------------
: >"$work"
put_objects 1 job
# shellcheck disable=SC2016 # the worker's variables
recv --idle 1s --retry-wait 1s -- sh -c '[ "$TS_EVENT_RECEIVES" -ge 2 ] || exit 4; echo "$TS_EVENT_RECEIVES" >>"$work"' 2>"$scratch/log" ||
  fail "exit $?: $(cat "$scratch/log")"
[ "$(cat "$work")" = 2 ] || fail "not at the second receive: $(cat "$work")"
ok "a message whose command failed came back after its wait"

# --- dead letters -----------------------------------------------------------------------------------------------------
code=0
put_objects 1 job
recv --idle 1s --dead-letter "dir://$scratch/dead" -- sh -c 'exit 3' 2>"$scratch/log" || code=$?
if [ $code -ne 8 ] || [ "$(find "$scratch/dead/new" -type f | wc -l)" -ne 1 ] || [ "$(left)" -ne 0 ]; then
  fail "no dead letter (exit $code): $(cat "$scratch/log")"
fi
ok "a malformed object's message is in the dead letter queue, a folder"

# --- other jobs -------------------------------------------------------------------------------------------------------
: >"$work"
put_objects 1 other
put_objects 1 job
recv --idle 1s --prefix s3://bucket/job/ -- sh -c "$worker" 2>"$scratch/log" || fail "exit $?: $(cat "$scratch/log")"
worked 1
if [ "$(left)" -ne 1 ] || ! grep -q 'foreign=1' "$scratch/log"; then fail "the other job's message: $(cat "$scratch/log")"; fi
sqs PurgeQueue "{\"QueueUrl\":\"$endpoint/$account/files\"}" >/dev/null
ok "another job's message is left in the queue, taken once"

# --- faults on the way ------------------------------------------------------------------------------------------------
: >"$work"
put_objects "$objects" job
simulate proxy proxy --listen 127.0.0.1:0 --upstream "$endpoint" --fault status=503@2/ --fault status=503@5/ \
  --fault lost-reply@3/ --fault lost-reply@7/ --fault lost-reply@9/ --fault delay=300ms@6/
AWS_ENDPOINT_URL_SQS=$url recv --idle 3s --visibility 5s --concurrency 2 --timeout 5s -- sh -c "$worker" 2>"$scratch/log" ||
  fail "exit $?: $(cat "$scratch/log")"
worked "$objects"
[ "$(sort "$work" | uniq -d | wc -l)" -eq 0 ] || fail "worked on twice: $(sort "$work" | uniq -d)"
[ "$(left)" -eq 0 ] || fail "$(left) messages are left"
retries=$(grep -oE 'retries=[0-9]+' "$scratch/log" | tail -n 1)
[ "${retries#*=}" -ge 5 ] || fail "the faults were not met: $retries"
ok "503s, and replies that were lost after their request was done (messages received and deleted): each object once, $retries"

# --- kill -9 ----------------------------------------------------------------------------------------------------------
: >"$work"
put_objects "$objects" job
# shellcheck disable=SC2016
slow='sleep 0.3; echo "$TS_EVENT_KEY" >>"$work"'
kills=0
for pause in 0.4 0.9 1.3; do
  recv --idle 30s --visibility 3s --concurrency 3 -- sh -c "$slow" 2>/dev/null &
  victim=$!
  sleep "$pause"
  kill -9 $victim 2>/dev/null && kills=$((kills + 1))
  wait $victim 2>/dev/null || true
done
recv --idle 4s --visibility 30s --concurrency 3 -- sh -c "$slow" 2>"$scratch/log" || fail "exit $?: $(cat "$scratch/log")"
worked "$objects"
[ "$(left)" -eq 0 ] || fail "$(left) messages are left"
ok "killed $kills times with kill -9 and resumed: each object worked on, the queue empty"

# --- refusals ---------------------------------------------------------------------------------------------------------
code=0
queue-recv --url "sqs+http://${endpoint#http://}/$account/none" --idle 1s --retries 0 2>"$scratch/log" || code=$?
if [ $code -ne 6 ] || ! grep -q QueueDoesNotExist "$scratch/log"; then fail "no such queue: exit $code: $(cat "$scratch/log")"; fi
ok "a queue that is not there is a refusal (6), said with the server's words"

say "$passed checks passed"
