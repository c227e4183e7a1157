#!/usr/bin/env bash
# test/suite/shapes.py with its full counts, with 1 and 4 shards. (With 2 and smaller ones it is in ./dev test.)
exec /usr/bin/python3 "$(dirname "$0")/../suite/shapes.py" --whole --shards 1 4
