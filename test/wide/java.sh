#!/usr/bin/env bash
# Kafka's Java clients, through its tools of 4.3.1: produce and consume 100,000 lines with every
# codec from an explicit partition, list offsets, create, describe and change topics, look at, reset and delete groups,
# look at and end transactions. 77: Java or the tools cannot be had. usage: test/wide/java.sh [groups]
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
if ! command -v java >/dev/null; then
  echo "java is missing"
  exit 77
fi
tools=$("$top/test/kafka/fetch.sh" tools) || { echo "Apache Kafka's tools are missing" && exit 77; }
exec /usr/bin/python3 "$top/test/wide/java.py" "$tools" "$@"
