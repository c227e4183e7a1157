#!/usr/bin/env bash
# The two commands of README.md on a bare Debian 12 that has git and nothing else: a root made by
# debootstrap, a clone of the committed tree in it, `./dev run` with a record sent through it, then
# `./dev test`. Needs root, debootstrap and Debian's archive; the root is made anew each time from
# a base that is kept under build/bare. Ends with a line of counts; exit 77 where it cannot run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
project=$PWD
folder=$project/build/bare
base=$folder/base.tar
system=$folder/root
port=9092
passed=0 failed=0

say() { printf '==> %s\n' "$*"; }
skip() {
  printf 'skipped: %s\n' "$*"
  exit 77
}
passes() {
  passed=$((passed + 1))
  say "ok: $*"
}
fails() {
  failed=$((failed + 1))
  say "FAILED: $*"
}

# Everything happens in a mount namespace of its own, so that nothing stays mounted.
if [[ ${1:-} != --inside ]]; then
  [[ $(id -u) == 0 ]] || skip "making a root needs root"
  command -v debootstrap >/dev/null || skip "debootstrap is not installed"
  unshare --mount --propagation private true 2>/dev/null || skip "no mount namespaces here"
  ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || skip "port $port is in use"
  exec unshare --mount --propagation private "$0" --inside
fi

# ---- the bare root ----

# The archive that this machine's apt uses for Debian 12.
archive() {
  # shellcheck disable=SC2016 # apt's own variables
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' |
    awk '$2 == "bookworm" && $3 == "main" { print $1; exit }'
}

# How this machine's apt gets there: proxies, and certificates where they are of its own.
copy_apt_settings() {
  local file
  for file in /etc/apt/apt.conf /etc/apt/apt.conf.d/*; do
    if [[ -f $file ]] && grep -qiE '^ *Acquire::(http|https|ftp)::' "$file"; then
      cp "$file" "$system/etc/apt/apt.conf.d/"
    fi
  done
  cp /etc/resolv.conf /etc/hosts "$system/etc/"
  if grep -q '^deb.* https:' "$system/etc/apt/sources.list" && [[ -d /etc/ssl/certs ]]; then
    mkdir -p "$system/etc/ssl"
    cp -rL /etc/ssl/certs "$system/etc/ssl/"
  fi
}

make_base() {
  local from
  from=$(archive)
  [[ -n $from ]] || skip "this machine's apt knows no archive of Debian 12"
  say "debootstrap of Debian 12 with git"
  rm -rf --one-file-system "$folder/new"
  if ! debootstrap --variant=minbase --include=git bookworm "$folder/new" "$from" \
    >"$folder/debootstrap.log" 2>&1; then
    tail -n 5 "$folder/debootstrap.log"
    skip "debootstrap failed; the whole output: build/bare/debootstrap.log"
  fi
  tar -C "$folder/new" -cf "$base.new" .
  mv "$base.new" "$base"
  rm -rf --one-file-system "$folder/new"
}

make_root() {
  rm -rf --one-file-system "$system"
  mkdir -p "$system" "$folder/archives/partial"
  tar -C "$system" -xf "$base"
  copy_apt_settings
  mount -t proc proc "$system/proc"
  mount --rbind /dev "$system/dev"
  mkdir -p "$system/var/cache/apt/archives"
  mount --bind "$folder/archives" "$system/var/cache/apt/archives"
  git clone -q --depth 1 "file://$project" "$system/ottla"
}

# Runs a command of the project inside, with nothing of this machine's environment but its way to
# the archive.
inside() {
  local keep=() name
  for name in http_proxy https_proxy no_proxy; do
    [[ -z ${!name:-} ]] || keep+=("$name=${!name}")
  done
  exec chroot "$system" /usr/bin/env -i "${keep[@]}" PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/root TERM=dumb /bin/bash -c 'cd /ottla && exec "$@"' bash "$@"
}
ottla() { (inside build/release/ottla "$@"); }

# ---- the two commands ----

serves() {
  [[ -x $system/ottla/build/release/ottla ]] && ottla topic list >/dev/null 2>&1
}

# Polls until the node answers; not when its process is gone or the time is up.
wait_until_it_serves() {
  local pid=$1
  until serves; do
    kill -0 "$pid" 2>/dev/null || return 1
    [[ $SECONDS -lt 900 ]] || return 1
    sleep 0.2
  done
}

check_run() {
  local pid line code=0
  say "./dev run"
  (inside ./dev run) >"$folder/run.log" 2>&1 </dev/null &
  pid=$!
  if ! wait_until_it_serves "$pid"; then
    tail -n 40 "$folder/run.log"
    fails "./dev run does not serve"
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid" || true
    return
  fi
  passes "./dev run serves"
  ottla topic create bare || true
  if line=$(echo "a line" | ottla produce bare && ottla consume bare -o beginning -n 1) &&
    [[ $line == "a line" ]]; then
    passes "a record went through it"
  else
    fails "the record came back as '$line'"
  fi
  kill -TERM "$pid"
  wait "$pid" || code=$?
  if [[ $code == 0 && -d $system/ottla/data/bare-0 ]]; then
    passes "it stopped cleanly and left its data under ./data"
  else
    tail -n 20 "$folder/run.log"
    fails "it ended with exit code $code"
  fi
}

check_test() {
  say "./dev test"
  if (inside ./dev test) </dev/null; then
    passes "./dev test"
  else
    fails "./dev test"
  fi
}

mkdir -p "$folder"
[[ -e $base ]] || make_base
make_root
if [[ -e $project/src/server/node.c ]]; then
  check_run
else
  say "./dev run: skipped, since there is no node to start yet (src/server/node.c)"
fi
check_test
printf '%d passed, %d failed, 0 skipped\n' "$passed" "$failed"
[[ $failed == 0 ]]
