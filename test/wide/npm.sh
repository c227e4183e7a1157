#!/usr/bin/env bash
# Node's kafkajs: see npm.js. 77: Node or its registry is missing.
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  echo "node or npm is missing"
  exit 77
fi
mkdir -p "$top/build/npm"
if ! npm install --ignore-scripts --prefix "$top/build/npm" \
  kafkajs@2.2.4 kafkajs-snappy@1.1.0 lz4js@0.2.0 zstd-codec@0.1.5 >"$top/build/npm/install.log" 2>&1; then
  tail -n 3 "$top/build/npm/install.log"
  echo "kafkajs cannot be had from npm's registry"
  exit 77
fi
export NODE_PATH=$top/build/npm/node_modules KAFKAJS_NO_PARTITIONER_WARNING=1
exec /usr/bin/python3 "$top/test/wide/read_back.py" 100000 node "$top/test/wide/npm.js"
