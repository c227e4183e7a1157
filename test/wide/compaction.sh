#!/usr/bin/env bash
# The same logs compacted by Apache Kafka 4.4.0 and by Ottla: see compaction.py. 77: its jars cannot be had.
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
if ! command -v java >/dev/null; then
  echo "java is missing"
  exit 77
fi
broker=$("$top/test/kafka/fetch.sh" broker) || { echo "Apache Kafka's jars are missing" && exit 77; }
exec /usr/bin/python3 "$top/test/wide/compaction.py" "$broker"
