#!/usr/bin/env bash
# Kafka's Java producer, consumer and admin client themselves: see java/JavaClient.java. 77: Java or the
# jars cannot be had.
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
if ! command -v java >/dev/null; then
  echo "java is missing"
  exit 77
fi
tools=$("$top/test/kafka/fetch.sh" tools) || { echo "Apache Kafka's tools are missing" && exit 77; }
cat >"$top/build/java_client.sh" <<END
exec java -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp '$tools/*' \
  '$top/test/wide/java/JavaClient.java' "\$1" 100000
END
exec /usr/bin/python3 "$top/test/wide/with_node.py" bash "$top/build/java_client.sh"
