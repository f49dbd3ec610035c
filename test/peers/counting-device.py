"""A Modbus TCP device (pymodbus) whose every answer is another number, and which writes down what it answered.

Holding registers 0..1 of any unit are a uint32 that counts the reads of that unit; a file gets one line an answer:
`<CLOCK_MONOTONIC seconds> <unit> <number>`. Prints its port. Ends when stdin closes.
usage: counting-device.py FILE UNIT...
"""
import asyncio
import os
import sys
import threading
import time

from pymodbus.datastore import ModbusServerContext
from pymodbus.server import ModbusTcpServer

try:
    from pymodbus.datastore import ModbusDeviceContext as Context
    KEY = "devices"
except ImportError:
    from pymodbus.datastore import ModbusSlaveContext as Context
    KEY = "slaves"

out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)


class Counting(Context):
    def __init__(self, unit):
        super().__init__()
        self.unit = unit
        self.count = 0

    def validate(self, fc_as_hex, address, count=1):
        return address + count <= 2

    def getValues(self, fc_as_hex, address, count=1):
        self.count += 1
        os.write(out, b"%.6f %d %d\n" % (time.monotonic(), self.unit, self.count))
        return [self.count >> 16, self.count & 0xFFFF][address:address + count]


async def main():
    units = {int(u): Counting(int(u)) for u in sys.argv[2:]}
    server = ModbusTcpServer(ModbusServerContext(**{KEY: units}, single=False), address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    print(server.transport.sockets[0].getsockname()[1], flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    await asyncio.Event().wait()


asyncio.run(main())
