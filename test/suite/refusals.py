#!/usr/bin/env python3
"""Starts that cannot be: each ends with code 1 and one line that says what is wrong. usage: test/suite/refusals.py,
with the binary in $OTTLA.
"""

import os
import pathlib
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from node import OTTLA, free_port  # noqa: E402

NOBODY = 65534
passed, failed, skipped = [], [], []
FILE = "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n"


def check(what, good, said=""):
    (passed if good else failed).append(what)
    print(("ok: " if good else "FAILED: ") + what)
    if not good:
        print(said)


def start(*settings, config=None, user=None):
    words = [OTTLA, "start"] + (["-c", str(config)] if config else [])
    for setting in (f"listeners=PLAINTEXT://127.0.0.1:{free_port()}", "ottla.metrics.listener=", *settings):
        words += ["--set", setting]
    return subprocess.run(words, capture_output=True, timeout=60, check=False, user=user,
                          extra_groups=[] if user is not None else None)


def refused(what, words, *settings, **how):
    """One line with all the words, code 1, nothing on standard output."""
    done = start(*settings, **how)
    said = done.stderr.decode()
    lines = [line for line in said.splitlines() if "has no effect" not in line]
    good = done.returncode == 1 and len(lines) == 1 and not done.stdout and \
        all(word in said for word in words)
    check(f"{what}: {said.strip()[:160]}", good, f"code {done.returncode}: {said}")


def skip(what, why):
    skipped.append(what)
    print(f"skipped: {what}: {why}")


def directories(folder):
    (folder / "file").write_text("")
    refused("a file for a directory", ["file", "Not a directory"], f"log.dirs={folder}/file")
    (folder / "foreign").mkdir()
    (folder / "foreign/meta.properties").write_text("hello\n")
    refused("a directory of something else", ["foreign/meta.properties"], f"log.dirs={folder}/foreign")
    (folder / "seven").mkdir()
    (folder / "seven/meta.properties").write_text(
        "version=1\ncluster.id=bm9kZS1vZi10ZXN0cy0xMQ\nnode.id=7\n"
        "directory.id=bm9kZS1vZi10ZXN0cy0xMg\n")
    refused("another node's directory", ["node 7", "node.id=7"], f"log.dirs={folder}/seven")
    if os.getuid() != 0 or OTTLA.startswith("/root"):
        skip("directories without permission", "they need root, and a binary that others may run")
        return
    (folder / "own").mkdir(mode=0o700)
    refused("a directory that may not be entered", ["own", "Permission denied"],
            f"log.dirs={folder}/own/data", user=NOBODY)
    (folder / "bare").mkdir(mode=0o555)
    refused("a directory that may not be written", ["bare", "Permission denied"],
            f"log.dirs={folder}/bare", user=NOBODY)


def full_disk(folder):
    full = folder / "full"
    full.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(full)],
                             capture_output=True, check=False).returncode == 0
    if not mounted:
        skip("a full disk", "nothing may be mounted here")
        return
    try:
        filler = os.open(full / "filler", os.O_WRONLY | os.O_CREAT)
        try:
            while True:
                os.write(filler, bytes(4096))
        except OSError:
            os.close(filler)
        refused("a full disk", ["No space left on device"], f"log.dirs={full}/data")
    finally:
        subprocess.run(["umount", str(full)], check=True)


def addresses(folder):
    data = f"log.dirs={folder}/data"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused("a port in use", [f":{port}", "Address already in use", "--set listeners="], data,
                f"listeners=PLAINTEXT://127.0.0.1:{port}")
    refused("an address of another machine", ["192.0.2.1", "of this machine"], data,
            "listeners=PLAINTEXT://192.0.2.1:9092")
    check("none of them left a directory", not (folder / "data/meta.properties").exists())


def configurations(folder):
    def of(text):
        (folder / "x.properties").write_text(text)
        return folder / "x.properties"
    data = f"log.dirs={folder}/data"
    refused("a file that is not there", ["nowhere", "No such file"], data, config=folder / "nowhere")
    refused("a value that is none", ["x.properties:4", "num.partitions", "zero", "INT"], data,
            config=of(FILE + "num.partitions=zero\n"))
    refused("a value out of its range", ["x.properties:4", "at least 1"], data,
            config=of(FILE + "num.partitions=0\n"))
    refused("a role alone", ["process.roles=broker", "broker,controller"], data,
            "process.roles=broker")
    refused("an authorizer", ["authorizer.class.name", "restricts access"], data,
            "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer")
    for protocol in ("SSL", "SASL_PLAINTEXT", "SASL_SSL"):
        refused(f"a listener of {protocol}", [protocol, "does not enforce"], data,
                f"listeners={protocol}://127.0.0.1:9092")


def main():
    with tempfile.TemporaryDirectory(prefix="ottla-test-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        directories(folder)
        full_disk(folder)
        addresses(folder)
        configurations(folder)
    print(f"{len(passed)} passed, {len(failed)} failed, {len(skipped)} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
