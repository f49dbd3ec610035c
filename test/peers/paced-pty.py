#!/usr/bin/env python3
"""Two linked pseudo-terminals that carry bytes no faster than a real line would.

usage: python3 paced-pty.py BAUD [BITS_PER_BYTE [LOG]]

Prints `PATH_A PATH_B` and runs until its standard input closes. What is written to A comes out of B and the other way
round, one byte every BITS_PER_BYTE/BAUD seconds (10 bits: start, 8 data, stop; 0 baud: not paced). An unpaced pty hands
a whole frame over at once, which hides every fault in reassembling frames. The line has its own clock: a late wake-up is
caught up with, as a UART's buffer would.

LOG gets a line for each piece that A wrote (`took SECONDS BYTES`, a time after it) and that A was given (`gave SECONDS BYTES`, a
time before it): what lies between them is never less than the pause that A made.
"""
import os
import pty
import select
import sys
import time
import tty

QUEUE = 4096  # bytes under way in one direction; beyond it the writer blocks


class Line:
    def __init__(self, source, sink, byte_time, took=None, gave=None):
        self.source, self.sink, self.byte_time = source, sink, byte_time
        self.took, self.gave = took, gave
        self.queue = bytearray()
        self.due = 0.0  # when the next byte has arrived in full

    def take(self, now):
        try:
            data = os.read(self.source, min(4096, QUEUE - len(self.queue)))
        except (BlockingIOError, InterruptedError):
            return
        except OSError:  # nobody has the other side open right now
            time.sleep(0.002)
            return
        if self.took:
            self.took(time.monotonic(), len(data))
        if not self.queue:
            self.due = max(self.due, now) + self.byte_time
        self.queue += data

    def give(self, now):
        count = len(self.queue)
        if self.byte_time > 0:
            if now < self.due:
                return
            count = min(count, int((now - self.due) / self.byte_time) + 1)
        before = time.monotonic()
        try:
            sent = os.write(self.sink, self.queue[:count])
        except (BlockingIOError, OSError):  # the reader is slow: the line waits, so no test loses bytes by accident
            time.sleep(0.001)
            return
        if self.gave:
            self.gave(before, sent)
        del self.queue[:sent]
        self.due += sent * self.byte_time


def main():
    baud = float(sys.argv[1])
    bits = float(sys.argv[2]) if len(sys.argv) > 2 else 10.0
    byte_time = bits / baud if baud > 0 else 0.0
    masters, paths, kept = [], [], []
    for _ in range(2):
        master, slave = pty.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        masters.append(master)
        kept.append(slave)  # held open, so that a side may close and open again
        paths.append(os.ttyname(slave))
    log = open(sys.argv[3], 'w', buffering=1) if len(sys.argv) > 3 else None
    tell = (lambda word: lambda at, count: print(word, at, count, file=log)) if log else (lambda word: None)
    lines = [Line(masters[0], masters[1], byte_time, took=tell('took')), Line(masters[1], masters[0], byte_time, gave=tell('gave'))]
    print(*paths, flush=True)

    while True:
        now = time.monotonic()
        pending = [line for line in lines if line.queue]
        wait = None
        if pending:
            wait = max(0.0, min(line.due for line in pending) - now)
        readers = [line.source for line in lines if len(line.queue) < QUEUE]
        ready, _, _ = select.select([sys.stdin.fileno(), *readers], [], [], wait)
        if sys.stdin.fileno() in ready and not os.read(sys.stdin.fileno(), 4096):
            return
        now = time.monotonic()
        for line in lines:
            if line.source in ready:
                line.take(now)
            if line.queue:
                line.give(time.monotonic())


if __name__ == '__main__':
    main()
