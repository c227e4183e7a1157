#!/usr/bin/env bash
# ListOffsets of Ottla and of Apache Kafka over the same directory: see list_offsets.py. 77: Java or
# the jars cannot be had.
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
if ! command -v java >/dev/null; then
  echo "java is missing"
  exit 77
fi
broker=$("$top/test/kafka/fetch.sh" broker) || { echo "Apache Kafka's jars are missing" && exit 77; }
exec /usr/bin/python3 "$top/test/wide/list_offsets.py" "$broker"
