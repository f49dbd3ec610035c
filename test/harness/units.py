"""What systemd does with systemd/sluice-node-red*: it keeps the two sockets, starts the service when somebody connects while it does
not run, and ends it with its whole group when the stop file is there, which it removes after that.
Arguments: folder of the sockets, stop file, folder of the service, program and its arguments."""
import os
import select
import signal
import socket
import sys
import time

sockets, stop_file, folder, *program = sys.argv[1:]
listeners = []
for name in ("gateway.sock", "editor.sock"):
    one = socket.socket(socket.AF_UNIX)
    one.bind(os.path.join(sockets, name))
    one.listen(8)
    listeners.append(one)
service = 0


def reap(block):
    global service
    if service and os.waitpid(service, 0 if block else os.WNOHANG)[0]:
        service = 0


def end(*_):
    global service
    if service:
        os.killpg(service, signal.SIGTERM)
        for _ in range(60):
            time.sleep(0.05)
            reap(False)
            if not service:
                break
        else:
            os.killpg(service, signal.SIGKILL)
            reap(True)
    if _:
        sys.exit(0)


signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
while True:
    reap(False)
    if os.path.exists(stop_file):
        end()
        os.unlink(stop_file)
    elif not service and select.select(listeners, [], [], 0)[0]:
        service = os.fork()
        if service == 0:
            os.setsid()
            for place, one in enumerate(listeners, 3):
                os.dup2(one.fileno(), 20 + place)
            for place in (3, 4):
                os.dup2(20 + place, place)
                os.close(20 + place)
            os.environ.update(LISTEN_FDS="2", LISTEN_PID=str(os.getpid()), STATE_DIRECTORY=folder)
            os.execv(program[0], program)
    time.sleep(0.02)
