"""Requests as bytes, for what no client would send: frames, and a connection that sends them."""

import socket
import struct

PRODUCE, FETCH, METADATA, API_VERSIONS = 0, 1, 3, 18
WAIT_SECONDS = 20


def text(value):
    """A string with its 16 bit length; None is null."""
    return struct.pack(">h", -1) if value is None else \
        struct.pack(">h", len(value.encode())) + value.encode()


def sized(frame):
    return struct.pack(">i", len(frame)) + frame


def request(key, version, body=b"", correlation=1, client="bad-input", tags=None):
    """A whole frame; tags (bytes) where the header is a flexible one."""
    head = struct.pack(">hhi", key, version, correlation) + text(client)
    return sized(head + (tags if tags is not None else b"") + body)


def produce(topic, partition, records, acks=-1, **header):
    """Produce version 3 of one partition."""
    body = text(None) + struct.pack(">hii", acks, 10000, 1) + text(topic)
    body += struct.pack(">iii", 1, partition, len(records)) + records
    return request(PRODUCE, 3, body, **header)


def produced(answer, topic):
    """(error, base offset) of the answer to produce()."""
    return struct.unpack_from(">hq", answer, 4 + 4 + 2 + len(topic) + 4 + 4)


def fetch(topic, partition, offset, most=1 << 20, wait_ms=1000, **header):
    """Fetch version 4 of one partition."""
    body = struct.pack(">iiiibi", -1, wait_ms, 1, most, 0, 1) + text(topic)
    body += struct.pack(">iiqi", 1, partition, offset, most)
    return request(FETCH, 4, body, **header)


def fetched(answer, topic):
    """(error, high watermark, records) of the answer to fetch()."""
    at = 4 + 4 + 4 + 2 + len(topic) + 4 + 4
    error, high = struct.unpack_from(">hq", answer, at)
    at += 2 + 8 + 8
    aborted, = struct.unpack_from(">i", answer, at)
    at += 4 + max(aborted, 0) * 16
    size, = struct.unpack_from(">i", answer, at)
    return error, high, answer[at + 4:at + 4 + max(size, 0)]


class Link:
    """One connection."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), WAIT_SECONDS)
        self.socket.settimeout(WAIT_SECONDS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """What the broker still takes; it may have closed the connection."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def take(self, size):
        data = b""
        while len(data) < size:
            got = self.socket.recv(size - len(data))
            if not got:
                return None
            data += got
        return data

    def answer(self):
        """The next frame from its correlation id on; None: the broker closed the connection."""
        try:
            size = self.take(4)
            return None if size is None else self.take(struct.unpack(">i", size)[0])
        except ConnectionResetError:
            return None

    def ask(self, data):
        self.send(data)
        return self.answer()
