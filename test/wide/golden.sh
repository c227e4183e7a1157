#!/usr/bin/env bash
# Log directories in both directions with Apache Kafka 4.4.0: see golden.py. 77: its jars cannot be had.
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
for what in java kcat; do
  if ! command -v "$what" >/dev/null; then
    echo "$what is missing"
    exit 77
  fi
done
broker=$("$top/test/kafka/fetch.sh" broker) || { echo "Apache Kafka's jars are missing" && exit 77; }
tools=$("$top/test/kafka/fetch.sh" tools) || { echo "Apache Kafka's tools are missing" && exit 77; }
exec /usr/bin/python3 "$top/test/wide/golden.py" "$broker" "$tools"
