#!/usr/bin/env bash
# Brings Apache Kafka's jars here, by name, from Maven: the broker of 4.4.0 or the tools of 4.3.1. Prints the folder that holds them.
# usage: test/kafka/fetch.sh broker|tools        77: Maven or its registry is missing
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
what=${1:-broker}
case $what in
  broker)
    folder=$top/build/kafka/broker-4.4.0
    artifacts=(kafka_2.13:4.4.0 'org.slf4j:slf4j-simple:1.7.36')
    ;;
  tools)
    folder=$top/build/kafka/tools-4.3.1
    artifacts=(kafka_2.13:4.3.1 kafka-tools:4.3.1 kafka-streams:4.3.1 connect-runtime:4.3.1 connect-json:4.3.1 connect-file:4.3.1
      'org.slf4j:slf4j-simple:1.7.36')
    ;;
  *)
    echo "usage: test/kafka/fetch.sh broker|tools" >&2
    exit 2
    ;;
esac

if [ -e "$folder/complete" ]; then
  echo "$folder"
  exit 0
fi
if ! command -v mvn >/dev/null; then
  echo "Maven is missing: apt-get install maven" >&2
  exit 77
fi

# Several may ask at once: one fetches.
mkdir -p "$top/build/kafka"
exec 9>"$top/build/kafka/lock"
flock 9
if [ -e "$folder/complete" ]; then
  echo "$folder"
  exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
{
  echo '<project><modelVersion>4.0.0</modelVersion><groupId>ottla</groupId><artifactId>jars</artifactId><version>1</version><dependencies>'
  for artifact in "${artifacts[@]}"; do
    IFS=: read -r -a part <<<"$artifact"
    [ "${#part[@]}" = 3 ] || part=(org.apache.kafka "${part[@]}")
    echo "<dependency><groupId>${part[0]}</groupId><artifactId>${part[1]}</artifactId><version>${part[2]}</version></dependency>"
  done
  echo '</dependencies></project>'
} >"$work/pom.xml"
mkdir -p "$folder"
if ! mvn -q -B -f "$work/pom.xml" dependency:copy-dependencies -DoutputDirectory="$folder" >"$work/log" 2>&1; then
  tail -n 3 "$work/log" >&2
  echo "Maven could not fetch Apache Kafka's jars: its registry is missing" >&2
  exit 77
fi
touch "$folder/complete"
echo "$folder"
