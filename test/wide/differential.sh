#!/usr/bin/env bash
# The differential test beside Apache Kafka 4.4.0: see test/differential/README.md. 77: its jars cannot be had.
# usage: test/wide/differential.sh [--record]
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
if ! command -v java >/dev/null; then
  echo "java is missing"
  exit 77
fi
jars=$("$top/test/kafka/fetch.sh" broker) || { echo "Apache Kafka's jars are missing" && exit 77; }
command=compare
[ "${1:-}" != --record ] || command=record
exec /usr/bin/python3 "$top/test/wide/differential.py" "$command" "$jars"
