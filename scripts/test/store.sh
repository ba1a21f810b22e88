#!/usr/bin/env bash
# The store- tools against a real S3 interface (moto's server, scripts/live/moto.sh), with the faults of `ts-sim proxy` between:
# sizes around a part, one winner of many, what a server can do wrong, kill -9 in the middle of puts, gets and copies, two
# endpoints, and memory. Ends with 77 and a line `skipped: …` where moto cannot be had.
#
#   STORE_MEMORY="16 64" MiB of the two files whose peaks are compared   STORE_MANY=0 objects in a long listing
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
tools_on_path

passed=0
ok() { passed=$((passed + 1)); say "ok: $*"; }
fail() { [ ! -s "$scratch/err" ] || tail -n 5 "$scratch/err" >&2; die 1 "$*"; }

begin_scratch
before_end() { "$here/../live/moto.sh" stop "$scratch/moto" >/dev/null 2>&1 || true; }
# had COMMAND…: ends with 77 when moto cannot be had (10, which has said why).
had() { local code=0; "$@" || code=$?; case $code in 0) ;; 10) exit 77 ;; *) exit "$code" ;; esac }
had "$here/../live/moto.sh" install
had "$here/../live/moto.sh" start "$scratch/moto" >/dev/null
moto=$(cat "$scratch/moto/url")

for name in $(compgen -e | grep -E '^(TS_(SOURCE|TARGET)_)?(AWS|OSS)_' || true); do unset "$name"; done
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=a-secret-of-the-test AWS_ENDPOINT_URL=$moto
bucket=s3://tsferry
cd "$scratch"

# expect CODE COMMAND…: stdout in out, stderr in err.
expect() {
  local want=$1 got=0
  shift
  "$@" >out 2>err || got=$?
  [ "$got" -eq "$want" ] || fail "exit $got, not $want: $*"
}
# has KEY=VALUE…: the summary says so.
has() { local pair; for pair; do tail -n 1 err | grep -qF " $pair " || fail "no $pair in: $(tail -n 1 err)"; done; }
number() { tail -n 1 err | grep -oE " $1=[0-9]+" | grep -oE '[0-9]+$'; }
uploads() { store-ls --uploads "$bucket/" 2>/dev/null | wc -l; }
none_left() { [ "$(uploads)" -eq 0 ] || fail "uploads are left: $(store-ls --uploads "$bucket/" 2>/dev/null)"; }
bytes() { head -c "$1" /dev/zero | openssl enc -aes-128-ctr -K "00000000000000000000000000000$((100 + ${2:-1}))" -iv 0 2>/dev/null || head -c "$1" /dev/urandom; }
part=$((5 << 20))
options=(--part-size 5MiB --quiet)

# --- sizes around a part ----------------------------------------------------------------------------------------------
for size in 0 1 $part $((part + 1)) $((2 * part + 17)); do
  bytes "$size" >"f$size"
  expect 0 store-put "${options[@]}" "$bucket/sizes/file-$size" "f$size"
  expect 0 store-put "${options[@]}" "$bucket/sizes/stdin-$size" <"f$size"
  for from in file stdin; do
    expect 0 store-get "${options[@]}" "$bucket/sizes/$from-$size"
    cmp -s out "f$size" || fail "$from of $size bytes came back as others"
    if [ $from = file ] || [ "$size" -le $part ]; then has verified=xxh3; else has verified=etag; fi
  done
done
none_left
ok "sizes around a part come back as they were, from files and streams"
big=f$((2 * part + 17))

# --- one winner, and manifests ------------------------------------------------------------------------------------------
writers=()
for n in 1 2 3 4 5 6 7 8; do
  (echo "writer $n" | store-put --create --quiet "$bucket/lock" >/dev/null 2>&1) &
  writers+=($!)
done
won=0
for writer in "${writers[@]}"; do
  code=0
  wait "$writer" || code=$?
  case $code in 0) won=$((won + 1)) ;; 6) ;; *) fail "a writer ended with $code" ;; esac
done
[ $won -eq 1 ] || fail "$won of 8 writers won"
expect 6 store-put --create "${options[@]}" "$bucket/sizes/file-0" "$big"
none_left
expect 0 store-put --manifest "$bucket/set/" f0 f1
expect 6 store-put --manifest "$bucket/set/" f0
expect 0 store-ls --manifest --deep "$bucket/set/"
expect 0 store-get "$bucket/set/f1" --manifest "$bucket/set/_manifest.json"
store-put --quiet "$bucket/set/f1" f0 >/dev/null 2>&1
expect 9 store-get "$bucket/set/f1" --manifest "$bucket/set/_manifest.json"
expect 1 store-ls --manifest "$bucket/set/"
ok "of eight writers one wins; a manifest is written once, and what is not as it says is found"

# --- streams of several parts: nothing stands beside them but what their ETag says -------------------------------------------
expect 0 store-put --manifest --receipts <(store-put "${options[@]}" --rows 3 "$bucket/stream/x" <"$big" 2>/dev/null) "$bucket/stream/"
grep -q '"xxh3"' <(store-get --quiet "$bucket/stream/_manifest.json" 2>/dev/null) || fail "the manifest has no digest of a stream"
expect 0 store-get "${options[@]}" "$bucket/stream/x" --manifest "$bucket/stream/_manifest.json"
has verified=xxh3
expect 0 store-ls --manifest --deep "$bucket/stream/"
expect 0 store-cp "${options[@]}" "$bucket/stream/x" "file://$scratch/stream-x"
cmp -s stream-x "$big" || fail "the copy of a stream is another one"
expect 0 store-get "${options[@]}" "$bucket/stream/x" -o stream-y
has verified=etag
bytes $((2 * part + 17)) 3 | store-put "${options[@]}" "$bucket/stream/x" >/dev/null 2>&1
expect 0 store-ls --manifest "$bucket/stream/"
expect 1 store-ls --manifest --deep "$bucket/stream/"
ok "a stream of several parts is proved by its ETag and its manifest; one of the same size is another one"

# --- what a server can do wrong -----------------------------------------------------------------------------------------
# door FAULT…: a proxy with these faults before the server.
door() {
  local args=() fault
  for fault; do args+=(--fault "$fault"); done
  if [ -n "${doors-}" ]; then
    kill "$doors" 2>/dev/null || true
    wait "$doors" 2>/dev/null || true
  fi
  simulate door proxy --upstream "$moto" "${args[@]}"
  doors=${pids[-1]}
}
# Of a put of three parts: 1 begins the upload, 2 to 4 are parts, 5 completes it, 6 looks at it.
for fault in status=503@1-2/ status=429:retry-after=1@3/ reset-upload@2-3/ lost-reply@2/ lost-reply@5/ cut-body@5/ lost-reply@6/; do
  door "$fault"
  AWS_ENDPOINT_URL=$url expect 0 store-put "${options[@]}" "$bucket/faults/put" "$big"
  [ "$(number retries)" -gt 0 ] || fail "$fault: nothing was tried again"
  store-get --quiet "$bucket/faults/put" 2>/dev/null | cmp -s - "$big" || fail "$fault: the object is another one"
  none_left
  store-rm "$bucket/faults/put" 2>/dev/null
done
# 1 looks at the object, 2 to 4 are ranges.
for fault in status=503@1-2/ lost-reply@2/ cut-body@2-4/ status=429:retry-after=1@4/; do
  door "$fault"
  AWS_ENDPOINT_URL=$url expect 0 store-get "${options[@]}" "$bucket/sizes/file-$((2 * part + 17))"
  cmp -s out "$big" || fail "$fault: other bytes"
  [ "$(number retries)" -gt 0 ] || fail "$fault: nothing was tried again"
done
door no-reply@2/
AWS_ENDPOINT_URL=$url expect 0 store-get "${options[@]}" --timeout 1s "$bucket/sizes/file-1"
for fault in lost-reply@1/ cut-body@1/ status=503@1/; do
  door "$fault"
  AWS_ENDPOINT_URL=$url expect 0 store-put --create --quiet "$bucket/faults/once-${fault%%@*}" f1
done
ok "what a server does wrong once or twice is tried again: the same bytes, no upload left, no winner that thinks it lost"

for fault in status=403/ status=404/; do
  door "${fault%/}@/"
  AWS_ENDPOINT_URL=$url expect 6 store-put --quiet "$bucket/x" f1
  AWS_ENDPOINT_URL=$url expect 6 store-get --quiet "$bucket/sizes/file-1"
  AWS_ENDPOINT_URL=$url expect 6 store-ls --quiet "$bucket/"
  [ "$(number retries)" -eq 0 ] || fail "$fault is tried again"
done
door status=503@/
AWS_ENDPOINT_URL=$url expect 5 store-put --quiet --retries 1 "$bucket/x" f1
AWS_ENDPOINT_URL=$url expect 4 store-get --quiet --retries 1 "$bucket/sizes/file-1"
AWS_ENDPOINT_URL=$url expect 4 store-ls --quiet --retries 1 "$bucket/"
AWS_ENDPOINT_URL=$url expect 5 store-rm --quiet --retries 1 "$bucket/x"
AWS_ENDPOINT_URL=http://127.0.0.1:1 expect 5 store-put --quiet --retries 0 "$bucket/x" f1
door status=503@4-/
AWS_ENDPOINT_URL=$url expect 5 store-put "${options[@]}" --retries 0 "$bucket/half" "$big"
expect 6 store-get --quiet "$bucket/half"
store-rm --uploads "$bucket/" 2>/dev/null
door cut-body@3-/
AWS_ENDPOINT_URL=$url expect 4 store-get "${options[@]}" --retries 1 "$bucket/sizes/file-$((2 * part + 17))" -o cut
[ -z "$(find . -maxdepth 1 -name 'cut*' -o -maxdepth 1 -name '.cut*')" ] || fail "a cut download left a file"
! grep -rq a-secret-of-the-test out err || fail "the key is shown"
ok "what stays wrong is 4, 5 or 6 by side and cause, and nothing is there that is not whole"

# --- killed ---------------------------------------------------------------------------------------------------------------
slow=(--rate-limit 4MB/s --concurrency 2)
# killed_put SIGNAL: a put that gets it after its first part and before its last one.
killed_put() {
  setsid store-put "${options[@]}" "${slow[@]}" "$bucket/killed" "$big" >/dev/null 2>&1 &
  local victim=$!
  for _ in $(seq 200); do [ "$(uploads)" -eq 0 ] || break; sleep 0.05; done
  sleep 1.7
  kill "-$1" "$victim"
  wait "$victim" 2>/dev/null || true
}
killed_put 9
[ "$(uploads)" -eq 1 ] || fail "$(uploads) uploads after kill -9, not 1"
expect 6 store-get --quiet "$bucket/killed"
expect 0 store-put "${options[@]}" --resume "$bucket/killed" "$big"
[ "$(number parts_resumed)" -gt 0 ] || fail "nothing was gone on with: $(tail -n 1 err)"
store-get --quiet "$bucket/killed" 2>/dev/null | cmp -s - "$big" || fail "the resumed object is another one"
none_left
killed_put 9
bytes $((2 * part + 17)) 2 >other
expect 0 store-put "${options[@]}" "$bucket/killed" other
[ "$(uploads)" -eq 1 ] || fail "$(uploads) uploads, not 1"
expect 0 store-rm --uploads "$bucket/"
has uploads=1
none_left
killed_put TERM
none_left
ok "after kill -9 a put goes on from the parts that are there, or they are listed and removed; after SIGTERM there are none"

setsid store-get "${options[@]}" --rate-limit 4MB/s --resume "$bucket/sizes/file-$((2 * part + 17))" -o resumed >/dev/null 2>&1 &
victim=$!
sleep 1.5
kill -9 $victim
wait $victim 2>/dev/null || true
[ ! -e resumed ] || fail "half a file is there"
expect 0 store-get "${options[@]}" --resume "$bucket/sizes/file-$((2 * part + 17))" -o resumed
[ "$(number resumed_bytes)" -gt 0 ] || fail "nothing was gone on with: $(tail -n 1 err)"
cmp -s resumed "$big" || fail "the resumed file is another one"
has verified=xxh3
# Replaced while it is read: never a mixture.
store-put "${options[@]}" "$bucket/changing" "$big" >/dev/null 2>&1
(sleep 0.3; store-put "${options[@]}" "$bucket/changing" other >/dev/null 2>&1) &
expect 6 store-get "${options[@]}" --concurrency 1 --rate-limit 1MB/s "$bucket/changing" -o changing
[ ! -e changing ] || fail "a mixture is there"
wait $! || true
ok "after kill -9 a get goes on from its end; an object that is replaced meanwhile is no mixture"

mkdir -p tree/a/b
for n in $(seq 12); do bytes $((n * 40000)) "$((n % 9))" >"tree/a/$n.csv"; done
cp "$big" tree/a/b/big
echo '{"version":1,"created":"","size":0,"files":[]}' >tree/a/_manifest.json
for round in 1 2 3; do
  setsid store-cp "${options[@]}" --recursive --resume --rate-limit 6MB/s "file://$scratch/tree/" "$bucket/tree/" >/dev/null 2>&1 &
  victim=$!
  sleep "0.$((round * 3))"
  kill -9 $victim 2>/dev/null || true
  wait $victim 2>/dev/null || true
  expect 0 store-ls --recursive "$bucket/tree/"
  ! grep -q _manifest out || [ "$(wc -l <out)" -eq 14 ] || fail "the manifest is there before what it lists"
done
expect 0 store-cp "${options[@]}" --recursive --resume "file://$scratch/tree/" "$bucket/tree/"
copied=$(number objects)
expect 0 store-cp "${options[@]}" --recursive "file://$scratch/tree/" "$bucket/tree/"
has objects=0 skipped=14
none_left
expect 0 store-cp "${options[@]}" --recursive "$bucket/tree/" "file://$scratch/back/"
diff -r tree back >/dev/null || fail "the copy is another one"
expect 0 store-cp "${options[@]}" --recursive "$bucket/tree/" "file://$scratch/back/"
has objects=0 skipped=14
ok "a copy that is killed three times does what is left ($copied of 14 objects) and is the same; again it does nothing"

# --- two endpoints ---------------------------------------------------------------------------------------------------------
door
curl -sS --noproxy '*' -o /dev/null -X PUT "$moto/second"
AWS_ENDPOINT_URL=http://127.0.0.1:1 TS_SOURCE_AWS_ENDPOINT_URL=$moto TS_TARGET_AWS_ENDPOINT_URL=$url \
  expect 0 store-cp "${options[@]}" --recursive "$bucket/tree/" s3://second/s3/
has objects=14
OSS_ACCESS_KEY_ID=other OSS_ACCESS_KEY_SECRET=another-secret OSS_ENDPOINT=$url \
  expect 0 store-cp "${options[@]}" --recursive oss://second/s3/ "$bucket/oss/"
has objects=14
expect 0 store-cp "${options[@]}" --recursive "$bucket/oss/" "$bucket/again/"
has server_copies=14
expect 0 store-cp "${options[@]}" --recursive "$bucket/again/" "file://$scratch/round/"
diff -r tree round >/dev/null || fail "the copy over two clouds is another one"
expect 2 env OSS_ENDPOINT= store-ls oss://second/
ok "between endpoints with keys of their own, oss:// among them, and within a bucket by the server"

# --- listing and removing ----------------------------------------------------------------------------------------------------
if [ "${STORE_MANY:-0}" -gt 0 ]; then
  mkdir many
  for n in $(seq "$STORE_MANY"); do echo "$n" >"many/$n"; done
  expect 0 store-cp --recursive --concurrency 16 --quiet "file://$scratch/many/" "$bucket/many/"
  expect 0 store-ls --recursive "$bucket/many/"
  has objects="$STORE_MANY"
fi
expect 2 store-rm "$bucket"
expect 0 store-rm --recursive "$bucket"
[ "$(number objects)" -gt 40 ] || fail "only $(number objects) objects were removed"
expect 0 store-rm --recursive "$bucket"
has objects=0
expect 0 store-ls --recursive "$bucket/"
[ ! -s out ] || fail "objects are left"
expect 6 store-ls s3://no-such-bucket/
ok "a whole bucket only on request, and again for nothing"

# --- memory --------------------------------------------------------------------------------------------------------------
if [ -x /usr/bin/time ]; then
  # peak COMMAND…: kilobytes.
  peak() { /usr/bin/time -f %M -o peak "$@" >/dev/null 2>err || fail "$*"; tail -n 1 peak; }
  read -r small large <<<"${STORE_MEMORY:-16 64}"
  said=
  for size in $small $large; do
    head -c "${size}M" /dev/zero >mass
    file_put=$(peak store-put --quiet "file://$scratch/mass-put" mass)
    file_get=$(peak store-get --quiet "file://$scratch/mass-put" -o mass-got)
    bucket_put=$(peak store-put --quiet "$bucket/mass" mass)
    bucket_get=$(peak store-get --quiet "$bucket/mass" -o mass-got)
    cmp -s mass mass-got || fail "$size MiB came back as others"
    said="$said; $size MiB: put $file_put and get $file_get kB on files, $bucket_put and $bucket_get kB on a bucket"
    for kilobytes in "$file_put" "$file_get"; do [ "$kilobytes" -lt 40000 ] || fail "$kilobytes kB on files"; done
    for kilobytes in "$bucket_put" "$bucket_get"; do [ "$kilobytes" -lt 120000 ] || fail "$kilobytes kB on a bucket"; done
    rm -f mass mass-got mass-put
  done
  ok "memory does not grow with the object$said"
else
  skip "memory of the store- tools: no /usr/bin/time"
fi

say "$passed groups of checks passed"
