"""Finds Sluice gateways as a foreign computer does, and says what it found, and when one goes."""
import sys, threading
from zeroconf import IPVersion, ServiceBrowser, ServiceStateChange, Zeroconf

own = sys.argv[1]
version = IPVersion.V6Only if ":" in own else IPVersion.V4Only
zeroconf = Zeroconf(interfaces=[own], ip_version=version)

def changed(zeroconf, service_type, name, state_change):
    if state_change is ServiceStateChange.Added:
        def ask():
            info = zeroconf.get_service_info(service_type, name, timeout=10000)
            words = sorted(f"{key.decode()}={value.decode()}" for key, value in info.properties.items())
            print("added", name, info.server, info.port, *info.parsed_addresses(version), *words, flush=True)
        threading.Thread(target=ask).start()
    elif state_change is ServiceStateChange.Removed:
        print("removed", name, flush=True)

ServiceBrowser(zeroconf, "_sluice._tcp.local.", handlers=[changed])
print("browsing", flush=True)
threading.Event().wait()
