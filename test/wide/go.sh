#!/usr/bin/env bash
# A Go client, franz-go: see go/main.go. 77: Go or its module registry is missing.
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
if ! command -v go >/dev/null; then
  echo "go is missing"
  exit 77
fi
cd "$top/test/wide/go"
if ! go mod download >"$top/build/go-client.log" 2>&1; then
  tail -n 3 "$top/build/go-client.log"
  echo "franz-go cannot be had from Go's module registry"
  exit 77
fi
go build -o "$top/build/go-client" .
exec /usr/bin/python3 "$top/test/wide/with_node.py" "$top/build/go-client"
