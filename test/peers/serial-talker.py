#!/usr/bin/env python3
"""A serial instrument that shares no code with the gateway. Writes to a tty what the script on standard input says.

usage: python3 serial-talker.py TTY

Standard input, one order a line:
  sds011 PM2_5 PM10 [bad]   one frame of a Nova SDS011, values in tenths; `bad`: with a wrong checksum
  gga LAT LON ALT | rmc KNOTS TRACK   an NMEA sentence
  text LINE                 a line of text, ended by CR LF
  hex BYTES                 raw bytes
  noise COUNT SEED          COUNT random bytes without 0xAA (so none of them looks like the start of a frame)
  answer REQUEST REPLY      waits for the bytes REQUEST (hexadecimal, no blanks), then writes REPLY; `done` tells what came before it
  flood SECONDS SEED        random bytes at the speed of the line, false starts among them, an SDS011 frame after each 200
Prints `done` after each order, when the tty has taken the bytes; after `flood` also the number of frames in it.
"""
import functools
import operator
import os
import random
import sys
import time
import tty


def sds011(pm2_5, pm10, bad=False):
    data = bytes([pm2_5 % 256, pm2_5 // 256, pm10 % 256, pm10 // 256, 0x12, 0x34])
    check = sum(data) % 256
    return b'\xaa\xc0' + data + bytes([check ^ 0x55 if bad else check]) + b'\xab'


def nmea(body):
    return b'$%s*%02X\r\n' % (body.encode(), functools.reduce(operator.xor, body.encode()))


def angle(value, width, positive, negative):
    degrees = int(abs(value))
    return f'{degrees:0{width}d}{(abs(value) - degrees) * 60:09.6f},{positive if value >= 0 else negative}'


def gga(lat, lon, alt):
    return nmea(f'GNGGA,101530.00,{angle(lat, 2, "N", "S")},{angle(lon, 3, "E", "W")},1,11,0.8,{alt},M,46.9,M,,')


def rmc(knots, track):
    return nmea(f'GNRMC,101530.00,A,4807.038000,N,01131.000000,E,{knots},{track},050126,,,A')


def write(tty_file, data):
    while data:
        data = data[os.write(tty_file, data[:512]):]


def flood(tty_file, seconds, seed):
    source, frames, end = random.Random(seed), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        # 0xAB never appears, so no false start can find its end in the noise.
        noise = bytes(b if b != 0xAB else 0xAA for b in source.randbytes(200))
        write(tty_file, noise + b'\xaa\xc0\xaa' + sds011(frames % 10000, 7))
        frames += 1
    return frames


def reply_to(tty_file, request, reply):
    heard = b''
    while not heard.endswith(request):
        heard += os.read(tty_file, 1)
    write(tty_file, reply)
    return heard[:-len(request)].hex()


def main():
    tty_file = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
    tty.setraw(tty_file)
    for line in sys.stdin:
        order, _, rest = line.rstrip('\n').partition(' ')
        words = rest.split()
        answer = 'done'
        if order == 'sds011':
            write(tty_file, sds011(int(words[0]), int(words[1]), words[2:] == ['bad']))
        elif order == 'gga':
            write(tty_file, gga(*map(float, words)))
        elif order == 'rmc':
            write(tty_file, rmc(*map(float, words)))
        elif order == 'text':
            write(tty_file, rest.encode() + b'\r\n')
        elif order == 'hex':
            write(tty_file, bytes.fromhex(rest))
        elif order == 'noise':
            source = random.Random(int(words[1]))
            write(tty_file, bytes(source.choice([b for b in range(256) if b != 0xAA]) for _ in range(int(words[0]))))
        elif order == 'answer':
            answer = f'done {reply_to(tty_file, *map(bytes.fromhex, words))}'.rstrip()
        elif order == 'flood':
            answer = f'done {flood(tty_file, float(words[0]), int(words[1]))}'
        else:
            answer = f'unknown order {order}'
        print(answer, flush=True)


if __name__ == '__main__':
    main()
