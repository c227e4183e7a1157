#!/usr/bin/env bash
# Log directories in both directions with Apache Kafka 4.4.0: see golden_states.py. 77: its jars cannot be had.
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
if ! command -v java >/dev/null; then
  echo "java is missing"
  exit 77
fi
broker=$("$top/test/kafka/fetch.sh" broker) || { echo "Apache Kafka's jars are missing" && exit 77; }
exec /usr/bin/python3 "$top/test/wide/golden_states.py" "$broker"
