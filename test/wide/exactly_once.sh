#!/usr/bin/env bash
# An exactly-once copy with Java's clients and one with librdkafka's while the copier and the node are killed: a short form
# of `./dev history copy`, see test/history/exactly_once.py. 77: a client cannot be had.
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
for client in java librdkafka; do
  /usr/bin/python3 "$top/test/history/exactly_once.py" --client "$client" --records 25000 "$@"
done
echo "2 passed, 0 failed"
