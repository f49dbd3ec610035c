"""Mounts and unmounts one ext4 many times, without a process for each: python3 mount-again.py DEVICE FOLDER, a line for each.

The file behind the device changes in between, so nothing of the device may stay in the kernel's memory. A program that has
its own mounts may hold a copy of ours: as long as it does, the next mount would be that old file system.
"""
import ctypes
import errno
import fcntl
import os
import sys
import time

BLKFLSBUF = 0x1261
PATIENCE = 1
libc = ctypes.CDLL(None, use_errno=True)
device, folder = (os.fsencode(name) for name in sys.argv[1:3])


def call(failed):
    if failed:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def forget():
    """Returns when nobody has the device mounted, and nothing of it is in memory. Raises with the device's name if it is busy."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            disk = os.open(device, os.O_RDONLY | os.O_EXCL)
            break
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > end:
                raise
            time.sleep(0.005)
    fcntl.ioctl(disk, BLKFLSBUF)
    os.close(disk)


for line in sys.stdin:
    try:
        if line == "mount\n":
            forget()
            call(libc.mount(device, folder, b"ext4", 0, None))
        else:
            call(libc.umount2(folder, 0))
            forget()
        print("ok", flush=True)
    except OSError as error:
        print("busy" if error.filename == device else error, flush=True)
