#!/usr/bin/env bash
# Random requests beside Apache Kafka 4.4.0: see differential_random.py. 77: its jars cannot be had.
# usage: test/wide/differential_random.sh [--seed N] [--rounds N]
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
if ! command -v java >/dev/null; then
  echo "java is missing"
  exit 77
fi
jars=$("$top/test/kafka/fetch.sh" broker) || { echo "Apache Kafka's jars are missing" && exit 77; }
exec /usr/bin/python3 "$top/test/wide/differential_random.py" "$jars" "$@"
