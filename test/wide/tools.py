"""Kafka's command-line tools in one virtual machine, which saves a second each: see java/Tools.java."""

import pathlib
import subprocess
import tempfile
import threading

SECONDS = 180
QUIET = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
SOURCE = pathlib.Path(__file__).resolve().parent / "java/Tools.java"


class Tools:
    """The tools of the jars, which end with the object."""

    def __init__(self, jars):
        self.process = subprocess.Popen(["java", "-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", QUIET, "-cp", f"{jars}/*", str(SOURCE)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, stdin, name, words):
        full = name if name.startswith(("kafka.", "org.")) else f"org.apache.kafka.tools.{name}"
        self.process.stdin.write("\t".join([stdin, full, *words]).encode() + b"\n")
        self.process.stdin.flush()

    def run(self, name, address, *words, stdin=None):
        """Like subprocess.run of the tool."""
        with tempfile.NamedTemporaryFile() as given:
            given.write(stdin or b"")
            given.flush()
            ending = threading.Timer(SECONDS, self.process.kill)
            ending.start()
            self.ask("-" if stdin is None else given.name, name, ("--bootstrap-server", address, *words))
            told = self.process.stdout.readline().split()
            ending.cancel()
        if not told:
            raise RuntimeError(f"{name} {' '.join(words)}: no answer in {SECONDS} s")
        code, *sizes = map(int, told)
        return subprocess.CompletedProcess([name, *words], code,
                                           *(self.process.stdout.read(size) for size in sizes))

    def begin(self, name, address, *words):
        """A tool that runs on beside the others until all end."""
        self.ask("&", name, ("--bootstrap-server", address, *words))

    def close(self):
        if not self.process.stdin.closed:
            self.process.stdin.close()
        self.process.wait(30)
