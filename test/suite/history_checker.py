#!/usr/bin/env python3
"""The checker of histories catches each anomaly and nothing else: test/history/checker_test.py."""

import pathlib
import subprocess
import sys

sys.exit(subprocess.run([sys.executable, str(pathlib.Path(__file__).resolve().parents[1] / "history/checker_test.py")],
                        check=False, timeout=120).returncode)
