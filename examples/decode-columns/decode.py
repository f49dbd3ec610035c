#!/usr/bin/env python3
"""Decodes payloads of `format: columns`: prints a JSON line for each record, as `sluice export --format jsonl` does.

64-bit integers are texts, since most readers of JSON round them.

Usage: decode.py FILE...        (payloads as they came; - reads one from standard input)
Needs Python 3.9 and nothing else. docs/reference/formats/columns.md describes the bytes.
"""
import json, math, struct, sys, zlib
from decimal import ROUND_HALF_UP, Context, Decimal

REASONS = {1: "timeout", 2: "disconnected", 3: "crc", 4: "bad-reply", 5: "exception", 6: "not-a-number", 7: "invalid",
           8: "unparsable", 9: "not-there", 10: "not-ready", 128: "out-of-range", 129: "too-fast", 130: "retained", 131: "partial"}
ABSENT, NOISY, FLOAT32, FLOAT64, BOOLEAN, INTEGER64, STRING, EMPTY = 255, 64, 16, 17, 18, 19, 20, 21
MOST = 64 * 1024 * 1024  # no part inflates to more


class Bytes:
    """Bytes and bits, one after the other."""
    def __init__(self, data):
        self.data, self.at, self.bit = data, 0, 0

    def raw(self, n):
        if self.at + n > len(self.data):
            raise ValueError("the payload ends too early")
        self.at += n
        return self.data[self.at - n:self.at]

    def byte(self):
        return self.raw(1)[0]

    def unsigned(self):  # LEB128
        value = shift = 0
        while True:
            b = self.byte()
            value |= (b & 0x7F) << shift
            shift += 7
            if b < 0x80:
                return value
            if shift > 56:
                raise ValueError("a number is too long")

    def signed(self):  # zigzag
        v = self.unsigned()
        return -(v + 1) // 2 if v & 1 else v // 2

    def bits(self, n):  # the highest bit first
        value, taken = 0, 0
        while taken < n:
            some = min(8 - self.bit, n - taken)
            value = value << some | (self.data[self.at] >> (8 - self.bit - some)) & ((1 << some) - 1)
            taken, self.bit = taken + some, self.bit + some
            if self.bit == 8:
                self.at, self.bit = self.at + 1, 0
        return value

    def align(self):
        if self.bit:
            self.at, self.bit = self.at + 1, 0


def unseal(blob):
    """-> the deflated part, inflated, and the part as it is. A CRC-32 covers both."""
    noise, crc = struct.unpack("<II", blob[-8:])
    if zlib.crc32(blob[:-4]) != crc:
        raise ValueError("the payload is damaged (checksum)")
    end = len(blob) - 8
    return Bytes(zlib.decompressobj(-15).decompress(blob[:end - noise], MOST)), Bytes(blob[end - noise:end])


def integers(data, noise, count, before, noisy):
    """Differences: LEB128, or where nothing repeats a length and sign, with the bits below the highest in the noise."""
    out = []
    for _ in range(count):
        if noisy:
            symbol = data.byte()
            n = symbol >> 1
            size = n if n < 2 else 1 << (n - 1) | noise.bits(n - 1)
            before += -size if symbol & 1 else size
        else:
            before += data.signed()
        out.append(before)
    return out


def shortest32(order):
    """A float32 by its place among all float32, as the number with the fewest decimals, or digits, that still is this one."""
    bits = 0x7FFFFFFF - order if order < 0 else order
    (v,) = struct.unpack(">f", struct.pack(">I", bits))
    for k in range(9) if 1e-3 < abs(v) < 1e9 else ():
        x = v * 10 ** k
        r = (math.floor(x) + (x - math.floor(x) >= 0.5)) / 10 ** k  # halves upwards
        if struct.pack(">f", r) == struct.pack(">f", v):
            return r
    digits = (Context(prec=n, rounding=ROUND_HALF_UP).create_decimal(Decimal(v)) for n in range(1, 10))
    return next(r for r in map(float, digits) if struct.pack(">f", r) == struct.pack(">f", v))


def planes(data, n):
    """Eight bytes a value, bytes of equal weight side by side, the lowest first."""
    rows = [data.raw(n) for _ in range(8)]
    return [int.from_bytes(bytes(row[i] for row in rows), "little") for i in range(n)]


def columns(data, noise, counts, types):
    """-> the values of each point, without those that a record has no value of."""
    marks = [data.byte() for _ in counts]
    forms = [m & ~NOISY for m in marks]
    out = [[] for _ in counts]
    for i, form in enumerate(forms):
        if form == BOOLEAN:
            out[i] = [data.bits(1) == 1 for _ in range(counts[i])]
    data.align()
    firsts = {}
    for of_kind in (lambda form: form < 7, lambda form: form == FLOAT32):
        which = [i for i, form in enumerate(forms) if of_kind(form)]
        mixed = data.byte() == 1
        firsts.update(zip(which, integers(data, noise, len(which), 0, mixed)))
    for i, form in enumerate(forms):
        n = counts[i]
        if i in firsts:
            numbers = [firsts[i]] + integers(data, noise, n - 1, firsts[i], marks[i] != form)
            out[i] = [shortest32(x) for x in numbers] if form == FLOAT32 else [x / 10 ** form for x in numbers]
        elif form == FLOAT64:
            x, words = 0, []
            for change in planes(data, n):
                x ^= change
                words.append(struct.unpack("<d", struct.pack("<Q", x))[0])
            out[i] = words
        elif form == INTEGER64:
            x = 0
            for change in planes(data, n):
                x = (x + change) & (1 << 64) - 1
                out[i].append(str(x if types[i] == "uint64" or x < 1 << 63 else x - (1 << 64)))
        elif form == STRING:
            out[i] = [data.raw(data.unsigned()).decode("utf-8", "replace") for _ in range(n)]
    return out


def block(blob, head):
    """-> the records of a block, in the order of their numbers."""
    data, noise = unseal(blob)
    if data.byte() != 1:
        raise ValueError("the version of the block is not known")
    n = data.unsigned()
    by_id = {shape.get("id", place): shape for place, shape in enumerate(head["shapes"])}
    shapes = [by_id[data.unsigned()] for _ in range(data.unsigned())]
    seq, seqs = 0, []
    for _ in range(n):
        seq += data.unsigned()
        seqs.append(seq)
    which, expected = [], 0
    for _ in range(n):
        which.append((data.unsigned() + expected) % len(shapes))
        expected = (which[-1] + 1) % len(shapes)
    ats, before, last, step = [], 0, {}, {}
    for s in which:
        d = data.signed() + step.get(s, 0)
        at = last.get(s, before) + d
        if s in last:
            step.setdefault(s, d)
        last[s] = before = at
        ats.append(at)
    for _ in shapes:
        data.unsigned(), data.unsigned()  # lengths, for those who skip a shape
    records = [None] * n
    for s, shape in enumerate(shapes):
        members = [i for i in range(n) if which[i] == s]
        count, points = len(members), shape["points"]
        reasons = [data.raw(count) for _ in points] if data.byte() else [bytes(count)] * len(points)
        present = [[r == 0 or 128 <= r != ABSENT for r in column] for column in reasons]
        values = columns(data, noise, [sum(column) for column in present], [p[1] for p in points])
        noise.align()
        iters = [iter(column) for column in values]
        for m, i in enumerate(members):
            record = {"log": head["log"], "seq": seqs[i], "boot": head["boot"], "device": shape["device"],
                      "time": ats[i] + head["offset"], "values": {}}
            for p, point in enumerate(points):
                reason = reasons[p][m]
                if present[p][m]:
                    record["values"][point[0]] = next(iters[p])
                if reason not in (0, ABSENT):
                    word = REASONS.get(reason, "reason-%d" % reason)
                    record.setdefault("uncertain" if reason >= 128 else "bad", {})[point[0]] = word
            if "clock" in head:
                record["clock"] = head["clock"]
            records[i] = record
    return records


def decode(payload):
    """-> the head of a payload, and its records."""
    if payload[:4] != b"SLC\x01":
        raise ValueError("this is not a payload of `format: columns`, version 1")
    rest, parts = Bytes(payload[4:]), []
    while rest.at < len(rest.data):
        parts.append(rest.raw(*struct.unpack("<I", rest.raw(4))))
    head = json.loads(unseal(parts[0])[0].data)
    # A block may have the records of one device alone.
    return head, sorted((record for part in parts[1:] for record in block(part, head)), key=lambda record: record["seq"])


if __name__ == "__main__":
    for name in sys.argv[1:] or ["-"]:
        data = sys.stdin.buffer.read() if name == "-" else open(name, "rb").read()
        for record in decode(data)[1]:
            print(json.dumps(record, ensure_ascii=False, separators=(",", ":")))
