#!/usr/bin/env bash
# Groups and transactions that Apache Kafka 4.4.0 and Ottla hand to each other: see golden_groups.py. 77: the jars
# of either its broker or its tools cannot be had.
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
if ! command -v java >/dev/null; then
  echo "java is missing"
  exit 77
fi
broker=$("$top/test/kafka/fetch.sh" broker) || { echo "Apache Kafka's jars are missing" && exit 77; }
tools=$("$top/test/kafka/fetch.sh" tools) || { echo "Apache Kafka's tools are missing" && exit 77; }
exec /usr/bin/python3 "$top/test/wide/golden_groups.py" "$broker" "$tools"
