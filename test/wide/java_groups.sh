#!/usr/bin/env bash
# Groups and transactions of Kafka's Java clients, 4.4.0: see java/groups. 77: Java or the jars cannot be had.
# usage: test/wide/java_groups.sh [WORD]; only the parts that WORD begins: classic, consumer, patterns, migrate, admin, transactions
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
if ! command -v javac >/dev/null; then
  echo "java is missing"
  exit 77
fi
jars=$("$top/test/kafka/fetch.sh" broker) || { echo "Apache Kafka's jars are missing" && exit 77; }
classes=$top/build/java-groups
mkdir -p "$classes"
javac -nowarn -Xlint:-removal -XDsuppressNotes -cp "$jars/*" -d "$classes" "$top"/test/wide/java/groups/*.java
cat >"$top/build/java_groups.sh" <<END
exec java -Xmx256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dorg.slf4j.simpleLogger.defaultLogLevel=off -cp '$classes:$jars/*' Main "\$1" ${1:-}
END
exec /usr/bin/python3 "$top/test/wide/with_node.py" bash "$top/build/java_groups.sh"
