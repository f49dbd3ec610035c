#!/usr/bin/env python3
"""Modbus RTU devices of every unit at the far end of a serial line that keeps its pace, and a judge of what the master does.

usage: line-device.py LOG BAUD [ANSWER_MS [spin]]     ANSWER_MS: one time, or UNIT:MS,UNIT:MS,… (others 0)

Prints the path of a pseudo-terminal and runs until its standard input closes. A character takes 10 bits (8N1). A device
begins its reply ANSWER_MS after the request has passed, but not before the silence that ends a frame (3.5 characters, above
19200 baud 1.75 ms: MODBUS over Serial Line V1.02, 2.5.1.1). A character is handed over when its last bit would have arrived.
Register or bit A holds (A * 31 + 7) % 65536, or that modulo 2. A line `silent UNIT...` on standard input names the units
that do not answer.

LOG gets a line for each whole request:
`at unit code start count bytes-in bytes-out silence late`
at: seconds, CLOCK_MONOTONIC, when it was seen; silence: ms between handing over the last character before it (a time
taken before) and seeing it; late: ms by which this program handed the last character of the reply over too late.

spin: waits without sleeping where it matters. Costs a processor, tells times to some microseconds.
"""
import os
import pty
import select
import sys
import time
import tty

LOG, BAUD = sys.argv[1], float(sys.argv[2])
TIMES = sys.argv[3] if len(sys.argv) > 3 else "0"
EACH = {int(u): float(ms) / 1000 for u, ms in (pair.split(":") for pair in TIMES.split(","))} if ":" in TIMES else {}
ANSWER = 0.0 if EACH else float(TIMES) / 1000
SPIN = len(sys.argv) > 4 and sys.argv[4] == "spin"
CHARACTER = 10 / BAUD
SILENCE = 3.5 * CHARACTER if BAUD <= 19200 else 0.00175
# The next request is waited for without sleeping for this time after a reply, seconds.
EAGER = 0.01
now = time.monotonic


def crc(data):
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return bytes([value & 255, value >> 8])


def answer(unit, code, start, count):
    cells = [(a * 31 + 7) & 0xFFFF for a in range(start, start + count)]
    if code in (3, 4) and 1 <= count <= 125:
        data = b"".join(c.to_bytes(2, "big") for c in cells)
    elif code in (1, 2) and 1 <= count <= 2000:
        data = sum((c & 1) << i for i, c in enumerate(cells)).to_bytes((count + 7) // 8, "little")
    else:
        body = bytes([unit, code | 0x80, 1])
        return body + crc(body)
    body = bytes([unit, code, len(data)]) + data
    return body + crc(body)


def wait(due):
    while True:
        left = due - now()
        if left <= 0:
            return
        if not SPIN:
            time.sleep(left)
        elif left > 0.0004:
            time.sleep(left - 0.0004)


class Line:
    def __init__(self, master, log):
        self.master, self.log = master, log
        self.free = 0.0  # when the last character has passed
        self.gave = None  # when it was handed over
        self.bytes = b""
        self.first = 0.0  # when the first of them was seen
        self.silent = set()

    def take(self):
        try:
            data = os.read(self.master, 4096)
        except BlockingIOError:
            return False
        at = now()
        if not self.bytes:
            self.first = at
        self.bytes += data
        self.free = max(self.free, at) + len(data) * CHARACTER
        while len(self.bytes) >= 8:
            if crc(self.bytes[:6]) != self.bytes[6:8]:
                self.bytes = self.bytes[1:]
                continue
            request, self.bytes = self.bytes[:8], self.bytes[8:]
            self.serve(request)
        return True

    def serve(self, request):
        unit, code = request[0], request[1]
        start, count = int.from_bytes(request[2:4], "big"), int.from_bytes(request[4:6], "big")
        silence = (self.first - self.gave) * 1000 if self.gave is not None else float("inf")
        sent, late = 0, 0.0
        if unit not in self.silent:
            reply = answer(unit, code, start, count)
            begin = self.free + max(SILENCE, EACH.get(unit, ANSWER))
            while sent < len(reply):
                wait(begin + (sent + 1) * CHARACTER)
                self.gave = now()
                # One at a time; what this program was too late for is caught up with, as a UART's buffer would.
                due = min(len(reply), max(sent + 1, int((self.gave - begin) / CHARACTER)))
                sent += os.write(self.master, reply[sent:due])
            self.free = begin + len(reply) * CHARACTER
            late = (self.gave - self.free) * 1000
        self.log.write(f"{self.first:.6f} {unit} {code} {start} {count} 8 {sent} {silence:.4f} {late:.4f}\n")


def main():
    master, slave = pty.openpty()  # the slave is held open, so that the master may close and open it
    tty.setraw(slave)
    os.set_blocking(master, False)
    line = Line(master, open(LOG, "w", buffering=1))
    print(os.ttyname(slave), flush=True)
    while True:
        eager = SPIN and line.gave is not None and now() < line.gave + EAGER
        ready, _, _ = select.select([sys.stdin.fileno(), master], [], [], 0 if eager else None)
        if sys.stdin.fileno() in ready:
            words = os.read(sys.stdin.fileno(), 4096).decode().split()
            if not words:
                return
            line.silent = {int(word) for word in words[1:]}
        if eager:
            until = now() + 0.002
            while now() < until and not line.take():
                pass
        elif master in ready:
            line.take()


main()
