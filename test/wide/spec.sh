#!/bin/bash
# Holds spec/ against the message definitions inside Apache Kafka's own jars.
# usage: test/wide/spec.sh [JARS]   JARS: a folder of them; fetched where it is not given
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
jars=${1:-$("$root/test/kafka/fetch.sh" broker)}
exec python3 "$root/test/wide/spec.py" --spec "$root/spec" --jars "$jars"
