# shellcheck shell=bash
# influx-write: into a server that throws everything away, and into real ones.
# shellcheck disable=SC2154,SC2034,SC2016

discard() {
  group discard MB
  local megabytes=$(($(bytes "$data/sensors.lp") / 1000000)) url
  if ! reference http_discard; then
    absent "everything" "the references are not built"
  else
    "$program" "$scratch/discard" &
    pids+=($!)
    wait_for "$scratch/discard" 10 || die 70 "http_discard does not start"
    url=$(cat "$scratch/discard")
    local target="influx1+$url/d"
    contender ours "$megabytes" "influx-write --quiet --gzip 0 --url $target $data/sensors.lp"
    contender "ours (unchecked)" "$megabytes" "influx-write --quiet --gzip 0 --no-check --url $target $data/sensors.lp"
    contender "ours (gzip 1)" "$megabytes" "influx-write --quiet --gzip 1 --url $target $data/sensors.lp"
    reference http_raw && contender "raw socket" "$megabytes" "$program $url $data/sensors.lp"
    if debian pigz; then contender pigz "$megabytes" "pigz -p1 -1 -c $data/sensors.lp >/dev/null"; else absent pigz "no pigz"; fi
  fi
  claim "influx-write, no gzip, discarding" "raw socket loop, MB/s" ours "raw socket" wall ">= 0.6" ">= 0.85"
  claim "influx-write, gzip 1" "pigz -p1 -1, MB per CPU-s" "ours (gzip 1)" pigz cpu ">= 1.4" ">= 2"
  race
  if [ -n "${command_of[ours]-}" ]; then
    # What the server counted for one more run is the file, byte for byte as many.
    agree "bytes of the file and bytes at the server" "stat -c %s $data/sensors.lp" \
      "curl -s $url/count >$scratch/before; ${command_of[ours]}; curl -s $url/count | awk 'NR == FNR { n = \$2; next } { printf \"%d\\n\", \$2 - n }' $scratch/before -"
  fi
}

# bodies DIR LINES: ready-made bodies of a file of line protocol, and for curl the requests of two connections
bodies() {
  mkdir -p "$1"
  [ -e "$1/body-aaaa" ] || split -a 4 -l "$2" "$data/few.lp" "$1/body-"
}
# requests DIR URL HEADER: two files of curl's arguments. The header is a secret, so it goes into a file, not into argv.
requests() {
  local body at=0 out
  rm -f "$1/curl-0" "$1/curl-1"
  for body in "$1"/body-*; do
    out=$1/curl-$((at % 2))
    [ ! -s "$out" ] || echo next >>"$out"
    printf 'url = "%s"\nheader = "%s"\ndata-binary = "@%s"\nfail\nsilent\nshow-error\noutput = "/dev/null"\n' "$2" "$3" "$body" >>"$out"
    at=$((at + 1))
  done
}
curl_twice() { printf 'curl -K %s/curl-0 & first=$!; curl -K %s/curl-1 && wait $first' "$1" "$1"; }

real_two() {
  group influx-2.9 lines
  if ! server 2.9; then
    absent "everything" "no InfluxDB 2.9"
  else
    local token url=${server_url#influx2+}
    token=$(cat "$server_dir/token")
    local base=${url%%/\?*}
    bodies "$scratch/bodies" 5000
    requests "$scratch/bodies" "$base/api/v2/write?org=tsferry&bucket=tsferry&precision=ns" "Authorization: Token $token"
    export TS_TARGET_TOKEN=$token INFLUX_TOKEN=$token INFLUX_HOST=$base INFLUX_ORG=tsferry INFLUX_BUCKET_NAME=tsferry INFLUX_CONFIGS_PATH=$scratch/influx-configs
    contender ours "$few" "influx-write --quiet --url '$server_url' $data/few.lp"
    contender "ours (gzip 1)" "$few" "influx-write --quiet --gzip 1 --url '$server_url' $data/few.lp"
    contender curl "$few" "$(curl_twice "$scratch/bodies")"
    if influx_program; then contender "influx write" "$few" "$influx write --precision ns --file $data/few.lp"; else absent "influx write" "go cannot build it ($cache/influx-cli.log)"; fi
  fi
  claim "influx-write -> InfluxDB 2.9.1" "curl, ready bodies, 2 connections" ours curl wall ">= 0.9" ">= 1.0"
  claim "influx-write -> InfluxDB 2.9.1" "influx write, lines/s" ours "influx write" wall ">= 1.5" ">= 1.5"
  claim "influx-write --gzip 1 -> 2.9.1" "influx write, CPU a line" "ours (gzip 1)" "influx write" cpu "<= 0.25" "<= 0.125"
  race
}

real_one() {
  group influx-1.8 lines
  if ! server 1.8; then
    absent "everything" "no InfluxDB 1.8"
  else
    local port
    port=$(cat "$server_dir/port")
    [ -s "$scratch/import.lp" ] || { printf '# DML\n# CONTEXT-DATABASE: tsferry\n'; cat "$data/few.lp"; } >"$scratch/import.lp"
    contender ours "$few" "influx-write --quiet --url '$server_url' $data/few.lp"
    contender "influx -import" "$few" "$cache/influx-1.8.10/influx -host 127.0.0.1 -port $port -import -path $scratch/import.lp -precision ns"
  fi
  claim "influx-write -> InfluxDB 1.8.10" "influx -import, lines/s" ours "influx -import" wall ">= 1.0" ">= 1.0"
  claim "influx-write -> InfluxDB 1.8.10" "influx -import, CPU" ours "influx -import" cpu "<= 0.7" "<= 0.4"
  race
}
