"""Finds Sluice gateways as a foreign computer does, and says what it found, and when one goes."""
import socket, sys, threading
from zeroconf import IPVersion, ServiceBrowser, ServiceStateChange, Zeroconf

zeroconf = Zeroconf(interfaces=[sys.argv[1]], ip_version=IPVersion.V4Only)

def changed(zeroconf, service_type, name, state_change):
    if state_change is ServiceStateChange.Added:
        def ask():
            info = zeroconf.get_service_info(service_type, name, timeout=10000)
            words = sorted(f"{key.decode()}={value.decode()}" for key, value in info.properties.items())
            print("added", name, info.server, info.port, *[socket.inet_ntoa(a) for a in info.addresses], *words, flush=True)
        threading.Thread(target=ask).start()
    elif state_change is ServiceStateChange.Removed:
        print("removed", name, flush=True)

ServiceBrowser(zeroconf, "_sluice._tcp.local.", handlers=[changed])
print("browsing", flush=True)
threading.Event().wait()
