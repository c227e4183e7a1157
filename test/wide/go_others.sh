#!/usr/bin/env bash
# Go's other clients, sarama and segmentio's kafka-go: see go/others/main.go. 77: Go or its module registry is
# missing.
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
if ! command -v go >/dev/null; then
  echo "go is missing"
  exit 77
fi
cd "$top/test/wide/go"
if ! go mod download >"$top/build/go-others.log" 2>&1; then
  tail -n 3 "$top/build/go-others.log"
  echo "sarama and kafka-go cannot be had from Go's module registry"
  exit 77
fi
go build -o "$top/build/go-others" ./others
exec /usr/bin/python3 "$top/test/wide/read_back.py" 100000 "$top/build/go-others"
