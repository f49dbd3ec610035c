"""nbdkit plugin: a disk in memory that appends every write and flush to a file, in the order in which it did them.

An entry is: kind (W write, F flush), offset u64, length u32, then the data of a write. Parameters: size=BYTES record=FILE,
and image=FILE for what is on the disk at first.
"""
import io
import os
import struct

import nbdkit

API_VERSION = 2

size = 0
record = -1
disk = bytearray()


def config(key, value):
    global size, record, disk
    if key == "size":
        size = int(value)
        disk = bytearray(size)
    elif key == "image":
        with io.open(value, "rb") as file:
            image = file.read()
        disk[: len(image)] = image
    elif key == "record":
        record = os.open(value, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def thread_model():
    return nbdkit.THREAD_MODEL_SERIALIZE_ALL_REQUESTS


def open(readonly):
    return 1


def get_size(h):
    return size


def can_flush(h):
    return True


# Without FUA of its own nbdkit sends a flush behind such a write: then nothing needs to be told apart here.
def can_fua(h):
    return nbdkit.FUA_EMULATE


# As a card that knows no discard: zeros come as writes.
def can_trim(h):
    return False


def can_zero(h):
    return False


def tell(kind, offset, data=b""):
    entry = struct.pack("<cQI", kind, offset, len(data)) + data
    if os.write(record, entry) != len(entry):
        raise RuntimeError("the record cannot be written")


def pread(h, buf, offset, flags):
    buf[:] = disk[offset : offset + len(buf)]


def pwrite(h, buf, offset, flags):
    data = bytes(buf)
    disk[offset : offset + len(data)] = data
    tell(b"W", offset, data)


def flush(h, flags):
    tell(b"F", 0)
