#!/usr/bin/env bash
# test/suite/shapes.py with its full counts, with 1, 2 and 4 shards.
exec /usr/bin/python3 "$(dirname "$0")/../suite/shapes.py" --whole
