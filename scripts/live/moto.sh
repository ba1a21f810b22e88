#!/usr/bin/env bash
# moto's server, an S3 (and SQS) interface in memory for tests, from PyPI: install | start DIR | stop DIR (see README.md).
# The URL that it prints is an endpoint: AWS_ENDPOINT_URL. Any key is accepted; the bucket `tsferry` is there.
set -euo pipefail
name="moto 5.2.5" slug=moto-5.2.5
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

fetch() {
  need python3
  step "making a virtual environment" python3 -m venv "$out"
  step "installing moto with pip" "$out/bin/python" -m pip install --disable-pip-version-check --quiet 'moto[server,s3,sqs]==5.2.5'
}

# The directory is an argument only so that the process is known by it.
serve() {
  nohup "$home/bin/python" -c 'import sys; from moto.server import main; main(sys.argv[2:])' "$dir/" \
    -H 127.0.0.1 -p "$port" </dev/null >>"$dir/log" 2>&1 &
}
settled() { ! kill -0 "$pid" 2>/dev/null || http -m 2 -o /dev/null "http://127.0.0.1:$port/moto-api/" 2>/dev/null; }
prepare() {
  http -o /dev/null -X PUT "http://127.0.0.1:$port/tsferry"
  echo "http://127.0.0.1:$port"
}

live "$@"
