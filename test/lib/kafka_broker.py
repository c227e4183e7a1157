"""Apache Kafka 4.4.0 as a process of the test, from the jars that test/kafka/fetch.sh brings."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from node import OTTLA, Node, free_port

CLUSTER_ID = "bm9kZS1vZi10ZXN0cy0xMQ"


class Kafka:
    """One node on a directory; one that lacks meta.properties is formatted first. settings: more lines of its
    file, as "key=value"; java: options of the virtual machine; ports: those of the one before, where clients go on."""

    def __init__(self, jars, data, folder, settings=(), java=("-Xmx512m",), ports=None):
        self.port, self.controller_port = ports or (free_port(), free_port())
        config = folder / "server.properties"
        config.write_text(f"""process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{self.controller_port}
listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}
controller.listener.names=CONTROLLER
log.dirs={data}
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
""" + "".join(f"{line}\n" for line in settings))
        if not (pathlib.Path(data) / "meta.properties").exists():
            subprocess.run(["java", "-cp", f"{jars}/*", "kafka.tools.StorageTool", "format",
                            "--standalone", "-t", CLUSTER_ID, "-c", str(config)],
                           check=True, capture_output=True, timeout=90)
        self.log = open(folder / "kafka.log", "ab")
        self.process = subprocess.Popen(["java", *java, "-cp", f"{jars}/*", "kafka.Kafka",
                                         str(config)], stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 90
        while subprocess.run([OTTLA, "topic", "list", "-b", self.address], capture_output=True,
                             check=False).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.end(signal.SIGKILL)
                raise RuntimeError("Apache Kafka did not start on the directory")

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(90)
        self.log.close()


class KafkaNode:
    """Apache Kafka where a test has a node of node.py."""

    def __init__(self, jars, *settings):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ottla-test-"))
        self.data = self.folder / "data"
        self.kafka = Kafka(jars, self.data, self.folder, settings)

    @property
    def address(self):
        return self.kafka.address

    def log(self):
        return (self.folder / "kafka.log").read_text(errors="replace")

    def stop(self):
        """A clean stop; 0, as of a node."""
        self.kafka.end()
        return 0

    def remove(self):
        if self.kafka.process.poll() is None:
            self.kafka.end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


def broker_of_choice(*settings):
    """A node; Apache Kafka where $OTTLA_WIDE_BROKER names its jars, to see that it passes the test too."""
    jars = os.environ.get("OTTLA_WIDE_BROKER")
    return KafkaNode(jars, *settings) if jars else Node(*settings)
