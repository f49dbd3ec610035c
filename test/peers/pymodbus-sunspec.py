#!/usr/bin/env python3
"""A SunSpec device made by somebody else: pymodbus 3.8 over TCP, its registers laid out by struct.

usage: python3 pymodbus-sunspec.py

Prints `ready PORT`. A line on standard input is JSON and replaces all holding registers at once, as a new firmware would:
{"base": 40000, "models": [[1, 66, {"2": ["s", 16, "Maker"]}], [103, 50, {"2": ["H", 2130], "24": ["I", 12345678]}]]}
Places count from the number of the model; a value has a format of struct, or `s`, its registers and the text. What lies
beside the chain is refused with exception 2. `done` is printed after each. Units 1 and 2 share the data. Ends when
standard input closes.
"""
import asyncio
import json
import struct
import sys

from pymodbus.datastore import ModbusServerContext, ModbusSlaveContext, ModbusSparseDataBlock
from pymodbus.server import ModbusTcpServer


def words(data):
    return list(struct.unpack('>%dH' % (len(data) // 2), data))


def registers(device):
    chain = words(b'SunS')
    for number, length, values in device['models']:
        body = [0] * length
        for place, (kind, *value) in values.items():
            packed = value[1].encode().ljust(2 * value[0], b'\0') if kind == 's' else struct.pack('>' + kind, *value)
            at = int(place) - 2
            body[at:at + len(packed) // 2] = words(packed)
        assert len(body) == length
        chain += [number, length, *body]
    chain += [0xFFFF, 0]
    return {device['base'] + 1 + i: word for i, word in enumerate(chain)}  # pymodbus counts its blocks from 1


async def main():
    holding = ModbusSparseDataBlock({0: 0})
    empty = lambda: ModbusSparseDataBlock({0: 0})
    unit = ModbusSlaveContext(hr=holding, ir=empty(), co=empty(), di=empty())
    context = ModbusServerContext(slaves={1: unit, 2: unit}, single=False)
    server = ModbusTcpServer(context, address=('127.0.0.1', 0), ignore_missing_slaves=True)
    serving = asyncio.create_task(server.serve_forever(background=False))
    while server.transport is None:
        await asyncio.sleep(0.01)
    print('ready', server.transport.sockets[0].getsockname()[1], flush=True)

    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        holding.values = registers(json.loads(line))
        print('done', flush=True)
    await server.shutdown()
    serving.cancel()


asyncio.run(main())
