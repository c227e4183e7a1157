#!/usr/bin/env bash
# Java's idempotent producer while the node is stopped and killed again and again: see java_restarts.py.
# 77: Java or the jars cannot be had.
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
if ! command -v java >/dev/null; then
  echo "java is missing"
  exit 77
fi
tools=$("$top/test/kafka/fetch.sh" tools) || { echo "Apache Kafka's tools are missing" && exit 77; }
exec /usr/bin/python3 "$top/test/wide/java_restarts.py" "$tools"
