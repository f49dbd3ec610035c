#!/usr/bin/env python3
"""A Modbus master made by somebody else: pymodbus 3.8.

usage: python3 pymodbus-client.py tcp|udp|rtu-over-tcp PORT | python3 pymodbus-client.py rtu|ascii PATH BAUD

Reads a JSON list of [call, unit, arguments...] from standard input and prints a JSON list of what each gave: registers or
bits, `true` for a write, {"exception": code}, {"identity": {id: text}}, or {"silent": true}.
"""
import json
import sys

from pymodbus import FramerType
from pymodbus.client import ModbusSerialClient, ModbusTcpClient, ModbusUdpClient
from pymodbus.exceptions import ModbusException

kind = sys.argv[1]
more = {'timeout': 5, 'retries': 0}
if kind in ('tcp', 'rtu-over-tcp'):
    framer = FramerType.SOCKET if kind == 'tcp' else FramerType.RTU
    client = ModbusTcpClient('127.0.0.1', port=int(sys.argv[2]), framer=framer, **more)
elif kind == 'udp':
    client = ModbusUdpClient('127.0.0.1', port=int(sys.argv[2]), **more)
else:
    framer = FramerType.ASCII if kind == 'ascii' else FramerType.RTU
    client = ModbusSerialClient(sys.argv[2], framer=framer, baudrate=int(sys.argv[3]), **more)
assert client.connect()


def ask(call, unit, *arguments):
    try:
        if call.startswith('read_') and call != 'read_device_information':
            reply = getattr(client, call)(arguments[0], count=arguments[1], slave=unit)
        elif call == 'read_device_information':
            reply = client.read_device_information(read_code=arguments[0], object_id=arguments[1], slave=unit)
        else:
            reply = getattr(client, call)(*arguments, slave=unit)
    except ModbusException:
        return {'silent': True}
    if reply.isError():
        return {'exception': reply.exception_code}
    if call == 'read_device_information':
        return {'identity': {str(k): v.decode() for k, v in reply.information.items()}}
    if call in ('read_coils', 'read_discrete_inputs'):
        return reply.bits[: arguments[1]]
    return reply.registers if call.startswith('read_') else True


print(json.dumps([ask(*one) for one in json.load(sys.stdin)]))
client.close()
