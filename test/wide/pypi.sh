#!/usr/bin/env bash
# PyPI's newest Python clients, in an environment of their own: see pypi.py. 77: PyPI or Debian's
# python3-venv cannot be had. usage: test/wide/pypi.sh [groups]
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
environment=$top/build/pypi
mkdir -p "$environment"
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
  echo "python3-venv is not installed"
  exit 77
fi
if ! {
  python3 -m venv "$environment" &&
    "$environment/bin/pip" install --upgrade kafka-python aiokafka confluent-kafka \
      lz4 zstandard python-snappy cramjam crc32c
} >"$environment/install.log" 2>&1; then
  tail -n 3 "$environment/install.log"
  echo "kafka-python, aiokafka and confluent-kafka cannot be had from PyPI"
  exit 77
fi
exec "$environment/bin/python" "$top/test/wide/pypi.py" "$@"
