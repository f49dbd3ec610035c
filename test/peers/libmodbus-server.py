#!/usr/bin/env python3
"""A Modbus device made by somebody else: libmodbus 3.1 (the C library, called through ctypes) as a server.

usage: python3 libmodbus-server.py tcp | python3 libmodbus-server.py rtu PATH BAUD

Prints `ready PORT` (or `ready PATH`). Every register of the holding and input tables, 0 to 999, holds 1000 + its address; coils
and discrete inputs are on where the address divides by 3. Serves unit 1 until standard input closes.
"""
import ctypes
import os
import select
import socket
import sys

lib = ctypes.CDLL('libmodbus.so.5', use_errno=True)


class Mapping(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in
                ('nb_bits', 'start_bits', 'nb_input_bits', 'start_input_bits',
                 'nb_input_registers', 'start_input_registers', 'nb_registers', 'start_registers')] + [
        ('tab_bits', ctypes.POINTER(ctypes.c_uint8)), ('tab_input_bits', ctypes.POINTER(ctypes.c_uint8)),
        ('tab_input_registers', ctypes.POINTER(ctypes.c_uint16)), ('tab_registers', ctypes.POINTER(ctypes.c_uint16))]


lib.modbus_new_tcp.restype = lib.modbus_new_rtu.restype = ctypes.c_void_p
lib.modbus_new_rtu.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_char, ctypes.c_int, ctypes.c_int]
lib.modbus_mapping_new.restype = ctypes.POINTER(Mapping)
for name in ('modbus_connect', 'modbus_get_socket'):
    getattr(lib, name).argtypes = [ctypes.c_void_p]
lib.modbus_set_slave.argtypes = lib.modbus_set_socket.argtypes = [ctypes.c_void_p, ctypes.c_int]
lib.modbus_receive.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
lib.modbus_reply.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.POINTER(Mapping)]

SIZE = 1000
mapping = lib.modbus_mapping_new(SIZE, SIZE, SIZE, SIZE)
for i in range(SIZE):
    mapping.contents.tab_registers[i] = mapping.contents.tab_input_registers[i] = 1000 + i
    mapping.contents.tab_bits[i] = mapping.contents.tab_input_bits[i] = 1 if i % 3 == 0 else 0

listener = None
if sys.argv[1] == 'tcp':
    context = lib.modbus_new_tcp(b'127.0.0.1', 0)
    listener = socket.create_server(('127.0.0.1', 0))
    where = listener.getsockname()[1]
    waiting = [listener.fileno()]
else:
    where = sys.argv[2]
    context = lib.modbus_new_rtu(where.encode(), int(sys.argv[3]), b'N', 8, 1)
    lib.modbus_set_slave(context, 1)
    if lib.modbus_connect(context) != 0:
        sys.exit('libmodbus cannot open ' + where)
    waiting = [lib.modbus_get_socket(context)]
print('ready', where, flush=True)

query = ctypes.create_string_buffer(260)
while True:
    ready, _, _ = select.select([sys.stdin.fileno(), *waiting], [], [])
    if sys.stdin.fileno() in ready and not os.read(sys.stdin.fileno(), 4096):
        break
    for fd in ready:
        if fd == sys.stdin.fileno():
            continue
        if listener is not None and fd == listener.fileno():
            waiting.append(listener.accept()[0].detach())
            continue
        lib.modbus_set_socket(context, fd)
        length = lib.modbus_receive(context, query)
        if length > 0:
            lib.modbus_reply(context, query, length, mapping)
        elif length < 0 and listener is not None:
            waiting.remove(fd)
            os.close(fd)
