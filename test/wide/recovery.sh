#!/usr/bin/env bash
# How long the start after a crash takes: see recovery.py.
set -euo pipefail
exec /usr/bin/python3 "$(dirname "$0")/recovery.py"
