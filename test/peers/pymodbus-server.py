#!/usr/bin/env python3
"""A Modbus device made by somebody else: pymodbus 3.8 as a server on every way to carry a frame.

usage: python3 pymodbus-server.py tcp|udp|rtu-over-tcp [--answer-missing] | python3 pymodbus-server.py rtu|ascii PATH BAUD

Prints `ready PORT` (or `ready PATH`). Lines on standard input set data: `holding 0 17227 0` or `coil 5 1 0 1` writes from
an address on; `done` is printed after each. `get holding 0 4` prints `has` and what pymodbus's own store has there. Ends when standard input closes. Units 1 and 2 share the data; others are silent, or
with --answer-missing get what pymodbus answers by itself.
"""
import asyncio
import sys

from pymodbus import FramerType
from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.device import ModbusDeviceIdentification
from pymodbus.server import ModbusSerialServer, ModbusTcpServer, ModbusUdpServer

FUNCTION = {'coil': 1, 'discrete': 2, 'holding': 3, 'input': 4}
IDENTITY = {'VendorName': 'Somebody Else', 'ProductCode': 'SE-1', 'MajorMinorRevision': '3.8'}


def take_each_frame():
    """
    pymodbus 3.8 takes one frame of what one read of TCP gave, and an answer throws the rest away. A server that had no turn while a
    request to an absent unit timed out has that one and the next one in a read, and would never answer the next one.
    """
    try:
        from pymodbus.server.requesthandler import ServerRequestHandler
    except ImportError:
        return  # another release, with other names
    handle, receive = ServerRequestHandler.handle_request, ServerRequestHandler.datagram_received

    def take(self, data, addr):
        if getattr(self, 'last_pdu', None):  # it waits for its turn, and a second one would take its place
            self.recv_buffer += data
        else:
            receive(self, data, addr)

    async def handle_all(self):
        rest, self.recv_buffer = self.recv_buffer, b''
        try:
            await handle(self)
        finally:
            self.last_pdu, self.recv_buffer = None, rest + self.recv_buffer
        if self.recv_buffer:
            receive(self, b'', None)

    ServerRequestHandler.datagram_received = take
    ServerRequestHandler.handle_request = handle_all


def make(kind, context):
    more = {'ignore_missing_slaves': '--answer-missing' not in sys.argv, 'identity': ModbusDeviceIdentification(info_name=IDENTITY)}
    where = ('127.0.0.1', 0)
    if kind == 'tcp':
        take_each_frame()
        return ModbusTcpServer(context, address=where, **more)
    if kind == 'rtu-over-tcp':
        return ModbusTcpServer(context, framer=FramerType.RTU, address=where, **more)
    if kind == 'udp':
        return ModbusUdpServer(context, address=where, **more)
    framer = FramerType.ASCII if kind == 'ascii' else FramerType.RTU
    return ModbusSerialServer(context, framer=framer, port=sys.argv[2], baudrate=int(sys.argv[3]), **more)


async def main():
    block = lambda: ModbusSequentialDataBlock(1, [0] * 10001)  # pymodbus counts its blocks from 1
    unit = ModbusSlaveContext(di=block(), co=block(), hr=block(), ir=block())
    context = ModbusServerContext(slaves={1: unit, 2: unit}, single=False)
    kind = sys.argv[1]
    server = make(kind, context)
    serving = asyncio.create_task(server.serve_forever(background=False))
    while server.transport is None:
        await asyncio.sleep(0.01)
    if kind in ('rtu', 'ascii'):
        where = sys.argv[2]
    elif kind == 'udp':
        where = server.transport.get_extra_info('sockname')[1]
    else:
        where = server.transport.sockets[0].getsockname()[1]
    print('ready', where, flush=True)

    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        if line.startswith(b'get '):
            _, table, address, count = line.decode().split()
            print('has', *[int(v) for v in unit.getValues(FUNCTION[table], int(address), int(count))], flush=True)
            continue
        table, address, *values = line.split()
        numbers = [int(v, 0) for v in values]
        unit.setValues(FUNCTION[table.decode()], int(address), numbers)
        print('done', flush=True)
    await server.shutdown()
    serving.cancel()


asyncio.run(main())
