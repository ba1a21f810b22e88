#!/usr/bin/env bash
# install.sh [--prefix DIR]: release binaries, man pages and completions under DIR (default /usr/local).
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

prefix=/usr/local
while [ $# -gt 0 ]; do
  case $1 in
    --prefix) prefix=${2:?--prefix needs a directory}; shift 2 ;;
    --prefix=*) prefix=${1#*=}; shift ;;
    *) die 2 "usage: scripts/install.sh [--prefix DIR]" ;;
  esac
done
need cargo "a Rust toolchain (rustup, or your system's packages)"

say "building release binaries"
cargo build --release --workspace
man=$prefix/share/man/man1
bash=$prefix/share/bash-completion/completions
zsh=$prefix/share/zsh/site-functions
fish=$prefix/share/fish/vendor_completions.d
mkdir -p "$prefix/bin" "$man" "$bash" "$zsh" "$fish"
count=0
for directory in tools/*/; do
  count=$((count + 1))
  tool=$(basename "$directory")
  install -m 755 "target/release/$tool" "$prefix/bin/$tool"
  "target/release/$tool" --generate man >"$man/$tool.1"
  "target/release/$tool" --generate bash >"$bash/$tool"
  "target/release/$tool" --generate zsh >"$zsh/_$tool"
  "target/release/$tool" --generate fish >"$fish/$tool.fish"
done
say "installed $count tools into $prefix/bin, with man pages and completions"
