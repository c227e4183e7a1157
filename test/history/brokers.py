"""What a run is made against: Ottla, or Apache Kafka where the checker itself is to be tried."""

import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "test/lib"))
from kafka_broker import Kafka  # noqa: E402
from node import Node  # noqa: E402

SETTINGS = ("group.initial.rebalance.delay.ms=100", "transaction.abort.timed.out.transaction.cleanup.interval.ms=500")


class OttlaBroker(Node):
    """A node; the signals are the nemesis's."""

    def signal(self, number):
        self.process.send_signal(number)

    def died(self):
        """By itself; asked while nobody ends it."""
        return self.process.poll() is not None

    def restart(self):
        """After a clean stop. False when that was none."""
        fine = self.stop() == 0
        self.start()
        return fine


class KafkaBroker:
    """Apache Kafka with the same face."""

    def __init__(self, *settings):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ottla-history-kafka-"))
        self.settings = settings
        done = subprocess.run([TOP / "test/kafka/fetch.sh", "broker"], capture_output=True, text=True, check=True)
        self.jars = done.stdout.strip()
        self.ports = None
        self.start()

    def start(self):
        self.kafka = Kafka(self.jars, self.folder / "data", self.folder, self.settings, ("-Xmx1G",), self.ports)
        self.ports = self.kafka.port, self.kafka.controller_port
        self.address = self.kafka.address

    @property
    def process(self):
        return self.kafka.process

    def signal(self, number):
        self.kafka.process.send_signal(number)

    def died(self):
        return self.kafka.process.poll() is not None

    def kill(self):
        self.kafka.end(signal.SIGKILL)

    def stop(self):
        self.kafka.end()
        return 0

    def restart(self):
        self.stop()
        self.start()
        return True

    def log(self):
        return (self.folder / "kafka.log").read_text(errors="replace")

    def remove(self):
        if not self.died():
            self.kafka.end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


def start(name, *settings):
    return (KafkaBroker if name == "kafka" else OttlaBroker)(*SETTINGS, *settings)
