"""Record batches (magic 2) from JSON and back: what the scripts of test/differential write, and what is
compared of an answer. Codecs other than none and gzip need Debian's modules for them.
"""

import base64
import ctypes
import gzip
import importlib
import struct

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
HEADER = struct.Struct(">qiibIhiqqqhii")  # base offset to record count
HEADER_CRC = 17


def crc32c_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


TABLE = crc32c_table()


try:
    ISAL = ctypes.CDLL("libisal.so.2").crc32_iscsi
    ISAL.argtypes, ISAL.restype = (ctypes.c_char_p, ctypes.c_int, ctypes.c_uint), ctypes.c_uint
except OSError:
    ISAL = None


def crc32c(data):
    if ISAL is not None:
        return ISAL(data, len(data), 0xFFFFFFFF) ^ 0xFFFFFFFF
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def varint(number):
    number = (number << 1) ^ (number >> 63)
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def read_varint(data, at):
    shift = number = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), at


def sized(text):
    return varint(-1) if text is None else varint(len(text.encode())) + text.encode()


def pack(codec, data):
    if codec == "none":
        return data
    if codec == "gzip":
        return gzip.compress(data, mtime=0)
    if codec == "lz4":  # Kafka reads blocks that stand alone
        return importlib.import_module("lz4.frame").compress(data, block_linked=False)
    if codec == "snappy":
        return importlib.import_module("snappy").compress(data)
    return importlib.import_module("zstandard").ZstdCompressor().compress(data)


def unpack_snappy(data):
    """A block, or the blocks of snappy-java's stream, each with its size before."""
    snappy = importlib.import_module("snappy")
    if not data.startswith(b"\x82SNAPPY\0"):
        return snappy.decompress(data)
    out, at = b"", 16
    while at < len(data):
        size, = struct.unpack_from(">i", data, at)
        out += snappy.decompress(data[at + 4:at + 4 + size])
        at += 4 + size
    return out


def unpack(codec, data):
    if codec == 1:
        return gzip.decompress(data)
    if codec == 2:
        return unpack_snappy(data)
    if codec == 3:
        return importlib.import_module("lz4.frame").decompress(data)
    if codec == 4:
        return importlib.import_module("zstandard").ZstdDecompressor().decompressobj().decompress(data)
    return data


def record(told, index):
    headers = told.get("headers", [])
    body = b"\0" + varint(told.get("timestampDelta", 0)) + varint(told.get("offsetDelta", index))
    value = "v" * told["valueSize"] if "valueSize" in told else told.get("value")
    body += sized(told.get("key")) + sized(value)
    body += varint(told.get("headerCount", len(headers)))
    for name, value in headers:
        body += sized(name) + sized(value)
    return varint(told.get("size", len(body))) + body


def batch(told, now_ms):
    """The bytes of one batch. Every member is optional; one that does not fit makes a bad batch."""
    records = told.get("records", [{"value": "v"}])
    body = b"".join(record(one, index) for index, one in enumerate(records))
    codec = told.get("codec", "none")
    body = pack(codec, body)
    if "body" in told:  # hex: a codec's bytes that are none
        body = bytes.fromhex(told["body"])
    attributes = told.get("attributes", CODECS[codec])
    base_time = told.get("baseTimestamp", now_ms)
    last = len(records) - 1
    header = struct.pack(
        ">hiqqqhii", attributes, told.get("lastOffsetDelta", last), base_time,
        told.get("maxTimestamp", base_time), told.get("producerId", -1),
        told.get("producerEpoch", -1), told.get("baseSequence", -1), told.get("count", last + 1))
    crc = told.get("crc", crc32c(header + body))
    start = struct.pack(">qiibI", told.get("baseOffset", 0), told.get("size", 9 + len(header + body)),
                        told.get("leaderEpoch", -1), told.get("magic", 2), crc)
    return start + header + body


def encode(told, now_ms):
    """JSON's {"$batch": {...}} or {"$batches": [...]}: base64 of the bytes."""
    several = told["$batches"] if "$batches" in told else [told["$batch"]]
    return base64.b64encode(b"".join(batch(one, now_ms) for one in several)).decode()


def decode(text):
    """The batches in base64 as JSON; what cannot be read stays bytes."""
    data = base64.b64decode(text)
    out = []
    while len(data) >= HEADER.size:
        (base, size, epoch, magic, crc, attributes, last, first_time, max_time, producer_id,
         producer_epoch, sequence, count) = HEADER.unpack_from(data)
        whole = data[:12 + size]
        body = whole[HEADER.size:]
        is_whole = len(whole) == 12 + size
        if is_whole:
            body = unpack(attributes & 7, body)
        elif attributes & 7:
            body = b""  # cut off, and whoever compressed it chose the bytes
        out.append({"baseOffset": base, "partitionLeaderEpoch": epoch, "magic": magic,
                    "crcFits": is_whole and crc == crc32c(whole[21:]), "attributes": attributes,
                    "lastOffsetDelta": last, "baseTimestamp": first_time, "maxTimestamp": max_time,
                    "producerId": producer_id, "producerEpoch": producer_epoch,
                    "baseSequence": sequence, "count": count,
                    "whole": is_whole, "body": body.hex()})
        data = data[12 + size:]
    if data:
        out.append(data[:HEADER_CRC].hex())  # a checksum is of a moment
    return out
