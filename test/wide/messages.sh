#!/bin/bash
# Random messages of every kind and version, made by our tables, go through Apache Kafka's own classes:
# Kafka must read our JSON, encode it to our bytes, read our bytes, and print our JSON.
# usage: test/wide/messages.sh [JARS]   JARS: a folder of them; fetched where it is not given
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
if ! command -v java >/dev/null; then
  echo "java is missing"
  exit 77
fi
jars=${1:-$("$root/test/kafka/fetch.sh" broker)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 "$root/tools/wiregen/wiregen.py" --spec "$root/spec" --out "$work/gen"
sources=("$root/test/wide/messages/make.c" "$root/src/wire/test/message_kit.c"
  "$work/gen/wire/messages.c")
for name in message decode encode chain json_print; do
  sources+=("$root/src/wire/$name.c")
done
for name in arena text uuid prng always slice; do
  sources+=("$root/src/base/$name.c")
done
gcc -std=gnu17 -O1 -D_GNU_SOURCE -I"$root/src" -I"$work/gen" "${sources[@]}" -lcmocka -lm \
  -o "$work/make"
"$work/make" 20 | java -cp "$jars/*" "$root/test/wide/messages/Messages.java"
