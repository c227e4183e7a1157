#!/usr/bin/env bash
# Directories that Ottla and Apache Kafka open in turn: see log_dirs.py. 77: Java or the
# jars cannot be had.
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
if ! command -v java >/dev/null; then
  echo "java is missing"
  exit 77
fi
broker=$("$top/test/kafka/fetch.sh" broker) || { echo "Apache Kafka's jars are missing" && exit 77; }
tools=$("$top/test/kafka/fetch.sh" tools) || { echo "Apache Kafka's tools are missing" && exit 77; }
exec /usr/bin/python3 "$top/test/wide/log_dirs.py" "$broker" "$tools"
