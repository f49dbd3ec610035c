"""A modem on a pseudo-terminal that takes AT commands. It prints its port, then each command and each text that it got."""
import os
import pty
import sys
import tty

master, slave = pty.openpty()
tty.setraw(master)
tty.setraw(slave)
print(f'port {os.ttyname(slave)}', flush=True)
fails = len(sys.argv) > 1 and sys.argv[1] == 'fails'
waiting = b''
text = False
while True:
    try:
        waiting += os.read(master, 1024)
    except OSError:
        break
    while True:
        end = waiting.find(b'\x1a' if text else b'\r')
        if end < 0:
            break
        part, waiting = waiting[:end], waiting[end + 1:]
        print(('text ' if text else 'command ') + part.decode('ascii'), flush=True)
        if text:
            text = False
            os.write(master, b'\r\n+CMS ERROR: 38\r\n' if fails else b'\r\n+CMGS: 7\r\n\r\nOK\r\n')
        elif part.startswith(b'AT+CMGS'):
            text = True
            os.write(master, b'\r\n> ')
        else:
            os.write(master, b'\r\nOK\r\n')
