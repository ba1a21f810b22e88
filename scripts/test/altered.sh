#!/usr/bin/env bash
# One altered value in the target must be found, shown and reported with exit 1.
set -uo pipefail
out=$("$(dirname "$0")/../demo.sh" --rows 20000 --tables 100 --alter)
code=$?
printf '%s\n' "$out"
if [ "$code" -ne 1 ]; then
  echo "the altered value gave exit $code, not 1"
  exit 1
fi
printf '%s\n' "$out" | grep -q 'device_0001' || { echo "the differing row is not shown"; exit 1; }
printf '%s\n' "$out" | grep -q 'verdict: DIFFERENT' || { echo "there is no verdict"; exit 1; }
echo "the altered value was found and shown, exit 1"
