#!/usr/bin/env python3
"""The commands of README.md, as written and in order. Where port 9092 or ./data is taken, on another port and in
a folder of their own, and that is said. usage: test/suite/readme.py
"""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from node import TOP, free_port  # noqa: E402

SECONDS = 120
passed, failed = [], []


def check(what, good, said=b""):
    (passed if good else failed).append(what)
    print(("ok: " if good else "FAILED: ") + what)
    if not good:
        print(said.decode(errors="replace"))


def commands():
    """The indented lines, without what is said behind #."""
    for line in (TOP / "README.md").read_text().splitlines():
        if line.startswith("    ") and line.strip():
            yield line.split("  #")[0].strip()


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


class Place:
    """Where the commands run: as written, or beside what is there."""

    def __init__(self):
        self.as_written = is_free(9092) and not (TOP / "data").exists()
        self.port = 9092 if self.as_written else free_port()
        self.folder = tempfile.mkdtemp(prefix="ottla-test-")
        self.node = None

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self, command):
        words = command
        if not self.as_written:
            words += f" --set log.dirs={self.folder}/data --set listeners=PLAINTEXT://{self.address}" \
                     " --set ottla.metrics.listener="
        log = open(f"{self.folder}/node.log", "ab")
        with log:
            self.node = subprocess.Popen(["bash", "-c", f"exec {words}"], cwd=TOP, stdout=log, stderr=log)
        deadline = time.monotonic() + SECONDS
        while is_free(self.port) and self.node.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        return not is_free(self.port) and self.node.poll() is None

    def stop(self):
        """As Ctrl-C does; the exit code."""
        if self.node is None:
            return None
        self.node.send_signal(signal.SIGINT)
        code = self.node.wait(SECONDS)
        self.node = None
        return code

    def run(self, command):
        environment = dict(os.environ)
        if not self.as_written:
            command = command.replace("127.0.0.1:9092", self.address)
            environment["OTTLA_BROKERS"] = self.address
        return subprocess.run(["bash", "-c", command], cwd=TOP, env=environment, capture_output=True,
                              timeout=SECONDS, check=False)

    def remove(self):
        self.stop()
        if self.as_written:
            shutil.rmtree(TOP / "data", ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self):
        return pathlib.Path(f"{self.folder}/node.log").read_bytes()


def run_all(place):
    for command in commands():
        if command.startswith("./dev test"):
            print(f"skipped: {command} is what runs this")
        elif command.startswith("./dev run"):
            check(f"{command} serves", place.start(command.rstrip("& ")), place.log())
            if not command.endswith("&"):
                code = place.stop()
                check(f"Ctrl-C ends {command}: code {code}", code == 0, place.log())
        else:
            done = place.run(command)
            said = done.stdout + done.stderr
            check(f"{command}: code {done.returncode}", done.returncode == 0, said)
            if " consume " in command or command.startswith("kcat"):
                check(f"{command}: prints hello", done.stdout == b"hello\n", said)


def main():
    if os.environ.get("OTTLA_BUILD", "release") != "release":
        print("README.md speaks of the release build")
        return 77
    place = Place()
    if not place.as_written:
        print("port 9092 or ./data is taken: the commands run beside them")
    try:
        run_all(place)
    finally:
        place.remove()
    print(f"{len(passed)} passed, {len(failed)} failed")
    return 1 if failed or len(passed) < 8 else 0


if __name__ == "__main__":
    sys.exit(main())
