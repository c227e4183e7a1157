#!/usr/bin/env python3
"""The server over real sockets: a flood beside a calm client, /metrics and /healthz whoever asks, and stops
at every moment. usage: test/suite/server.py, with the binary in $OTTLA.
"""

import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import frames  # noqa: E402
from node import OTTLA, Node, free_port  # noqa: E402

PLAIN = os.environ.get("OTTLA_BUILD", "release") == "release"
FLOOD_SECONDS, CALM_ASKS, FLOODERS = 3, 300, 4
# A fair server lets the calm one wait for a turn of each other; one that serves a flood first makes it wait
# for all that the flood has in the sockets, which is thousands of times a request.
RATIO, FLOOR_MS = 100, 50
passed, failed = [], []


def check(what, good):
    (passed if good else failed).append(what)
    print(("ok: " if good else "FAILED: ") + what)


def api_versions(correlation):
    return frames.request(frames.API_VERSIONS, 0, correlation=correlation)


# ---- fairness ----

def flood(port, stop):
    """Asks as fast as the socket takes it, and reads what comes."""
    with socket.create_connection(("127.0.0.1", port)) as link:
        reader = threading.Thread(target=drain, args=(link,))
        reader.start()
        many = api_versions(1) * 500
        while not stop.is_set():
            link.sendall(many)
        link.shutdown(socket.SHUT_WR)
        reader.join()


def drain(link):
    while link.recv(1 << 20):
        pass


def median_ms(port):
    waits = []
    with frames.Link(port) as link:
        for number in range(CALM_ASKS):
            begun = time.monotonic()
            link.ask(api_versions(number))
            waits.append((time.monotonic() - begun) * 1000)
    return statistics.median(waits)


def fairness(node):
    alone = median_ms(node.port)
    stop = threading.Event()
    flooders = [threading.Thread(target=flood, args=(node.port, stop)) for _ in range(FLOODERS)]
    for flooder in flooders:
        flooder.start()
    beside = median_ms(node.port)
    stop.set()
    for flooder in flooders:
        flooder.join()
    check(f"a calm client's median: {alone:.2f} ms alone, {beside:.2f} ms beside {FLOODERS} that flood",
          beside < max(alone * RATIO, FLOOR_MS))


# ---- http ----

def http(port, text, wait=True):
    """The status line and the whole answer to raw bytes."""
    with socket.create_connection(("127.0.0.1", port), 20) as link:
        link.sendall(text.encode())
        answer = b""
        while wait:
            got = link.recv(65536)
            if not got:
                break
            answer += got
    return answer.decode(errors="replace")


def get(port, path, method="GET"):
    return http(port, f"{method} {path} HTTP/1.0\r\nHost: x\r\n\r\n")


def http_answers(node):
    port = node.metrics_port
    health = get(port, "/healthz")
    check("/healthz is 200 and says ok", " 200 " in health.split("\r\n")[0] and health.endswith("ok\n"))
    metrics = get(port, "/metrics")
    names = re.findall(r"^# TYPE (\w+) (?:counter|gauge)$", metrics, re.M)
    values = re.findall(r"^(\w+) [0-9.]+$", metrics, re.M)
    check(f"/metrics has {len(values)} values, each with its type", len(values) > 10 and names == values)
    for path in ("/", "/metric", "/metrics/", "/../metrics", "/healthz/x"):
        check(f"{path} is 404", " 404 " in get(port, path).split("\r\n")[0])
    check("a query behind the path is fine", " 200 " in get(port, "/metrics?name=x").split("\r\n")[0])
    check("POST is refused", " 405 " in get(port, "/metrics", "POST").split("\r\n")[0] or
          " 501 " in get(port, "/metrics", "POST").split("\r\n")[0])
    check("HEAD has no body", get(port, "/healthz", "HEAD").endswith("\r\n\r\n"))
    long_line = http(port, "GET /" + "a" * 20000 + " HTTP/1.0\r\n\r\n")
    check("a line without end is refused", " 200 " not in long_line.split("\r\n")[0])
    check("what is no HTTP ends", " 200 " not in http(port, "\x00\x01\x02\r\n\r\n"))


def slow_http(node):
    """Clients that begin and do not end hold up nobody."""
    slow = [socket.create_connection(("127.0.0.1", node.metrics_port)) for _ in range(50)]
    for link in slow:
        link.sendall(b"GET /met")
    begun = time.monotonic()
    health = get(node.metrics_port, "/healthz")
    check(f"beside 50 slow clients /healthz answers in {(time.monotonic() - begun) * 1000:.0f} ms",
          " 200 " in health.split("\r\n")[0])
    for link in slow:
        link.close()


def busy_http_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        node = Node(f"ottla.metrics.listener=127.0.0.1:{port}")
        try:
            log = node.log()
            check("a busy metrics port is one warning, and the node serves",
                  log.count("event=metrics_off") == 1 and f"at=127.0.0.1:{port}" in log)
            check("it stops cleanly", node.stop() == 0)
        finally:
            node.remove()


# ---- stopping ----

def drains(node):
    """A client that reads nothing does not hold up the stop for long; a second signal changes nothing."""
    link = socket.create_connection(("127.0.0.1", node.port))
    link.settimeout(1)
    try:
        while True:
            link.sendall(api_versions(1) * 1000)
    except TimeoutError:
        pass
    begun = time.monotonic()
    node.process.send_signal(signal.SIGTERM)
    while "event=node_stopping" not in node.log():
        time.sleep(0.01)
    check("while it drains it takes no connections", not node.serves())
    node.process.send_signal(signal.SIGTERM)
    node.process.send_signal(signal.SIGINT)
    code = node.process.wait(60)
    check(f"it stops cleanly though a client does not read: code {code} after "
          f"{time.monotonic() - begun:.1f} s", code == 0 and "clean=true" in node.log())
    check("one stop, however many signals", node.log().count("event=node_stopping") == 1)
    link.close()


def stops_at_any_moment():
    """SIGTERM between the first instruction and the served state: never a crash, and the next start is fine."""
    codes = set()
    with tempfile.TemporaryDirectory(prefix="ottla-test-") as name:
        words = [OTTLA, "start", "--set", f"log.dirs={name}/data",
                 "--set", f"listeners=PLAINTEXT://127.0.0.1:{free_port()}",
                 "--set", "ottla.metrics.listener="]
        for delay_ms in range(0, 40, 2):
            process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            try:
                process.stderr.peek(1) if delay_ms > 30 else time.sleep(delay_ms / 1000)
                process.send_signal(signal.SIGTERM)
                _, said = process.communicate(timeout=60)
            finally:
                process.kill()
            codes.add(process.returncode)
            if process.returncode not in (0, 1, -signal.SIGTERM):
                print(said.decode(errors="replace"))
    check(f"stopped at 20 moments of its start: codes {sorted(codes)}",
          codes <= {0, 1, -signal.SIGTERM})


def without_handing_over():
    node = Node("controlled.shutdown.enable=false")
    try:
        check("controlled.shutdown.enable=false stops cleanly too", node.stop() == 0)
        node.start()
        check("and starts again", node.stop() == 0)
    finally:
        node.remove()


def main():
    node = Node()
    try:
        if PLAIN:
            fairness(node)
        http_answers(node)
        slow_http(node)
        drains(node)
        if failed:
            print(node.log()[-3000:])
    finally:
        node.remove()
    busy_http_port()
    stops_at_any_moment()
    without_handing_over()
    print(f"{len(passed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
