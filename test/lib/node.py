"""Starts, stops and kills a node of $OTTLA (build/release/ottla by default) in a folder of its own."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
OTTLA = os.environ.get("OTTLA", str(TOP / "build/release/ottla"))
# The thread sanitizer does not know the threads that librdkafka starts: clients are the release's.
CLIENT = str(TOP / "build/release/ottla") if os.environ.get("OTTLA_BUILD") == "tsan" else OTTLA
START_SECONDS = 60
# For those whose records have fixed timestamps, of long ago.
KEEP_ALL = "log.retention.ms=-1"
# Groups that do not wait for more members, and that soon miss one; transactions that soon are too late.
QUICK_GROUPS = ("group.initial.rebalance.delay.ms=0", "group.min.session.timeout.ms=1000",
                "group.consumer.min.session.timeout.ms=1000", "group.consumer.session.timeout.ms=3000",
                "group.consumer.min.heartbeat.interval.ms=100", "group.consumer.heartbeat.interval.ms=200",
                "transaction.abort.timed.out.transaction.cleanup.interval.ms=500")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Node:
    """One node; its folder lives as long as the object. around: words before the binary's; data: where its
    log directory is, when not in that folder."""

    def __init__(self, *settings, around=(), data=None):
        self.around = around
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ottla-test-"))
        self.data = data or self.folder / "data"
        self.port = free_port()
        self.metrics_port = free_port()
        self.settings = settings
        self.process = None
        self.start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        self.launch()
        self.wait_until_it_serves()

    def launch(self):
        """Starts without waiting for anything."""
        words = [*self.around, OTTLA, "start", "--set", f"log.dirs={self.data}",
                 "--set", f"listeners=PLAINTEXT://{self.address}",
                 "--set", f"ottla.metrics.listener=127.0.0.1:{self.metrics_port}"]
        for setting in self.settings:
            words += ["--set", setting]
        with open(self.folder / "node.log", "ab") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log)

    def serves(self):
        """ApiVersions, version 0, is answered."""
        request = bytes.fromhex("0000000a00120000000000 01ffff".replace(" ", ""))
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as link:
                link.settimeout(5)
                link.sendall(request)
                return len(link.recv(8)) > 0
        except OSError:
            return False

    def wait_until_it_serves(self):
        deadline = time.monotonic() + START_SECONDS
        while not self.serves():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the node did not start:\n" + self.log())
            time.sleep(0.01)

    def log(self):
        return (self.folder / "node.log").read_text(errors="replace")

    def kill(self):
        """As a crash of the process: what it wrote is in the page cache."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """A clean stop; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def remove(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def run(*words, stdin=None, timeout=120):
    """A command of ottla's; its output, or an error with what it said."""
    done = subprocess.run([CLIENT, *words], input=stdin, capture_output=True, timeout=timeout,
                          check=False)
    if done.returncode != 0:
        raise RuntimeError(f"ottla {' '.join(words)}: {done.stderr.decode()}")
    return done.stdout
