"""Checks a token of Azure IoT Hub with nothing but the standard library of Python. Arguments: token, key in base64. Prints JSON."""
import base64
import hashlib
import hmac
import json
import sys
import urllib.parse

token, key = sys.argv[1:3]
kind, _, rest = token.partition(" ")
fields = dict(pair.split("=", 1) for pair in rest.split("&"))
signed = f"{fields['sr']}\n{fields['se']}".encode()
wanted = base64.b64encode(hmac.new(base64.b64decode(key), signed, hashlib.sha256).digest()).decode()
given = urllib.parse.unquote(fields["sig"])
print(json.dumps({
    "kind": kind,
    "valid": hmac.compare_digest(wanted, given),
    "resource": urllib.parse.unquote(fields["sr"]),
    "ends": int(fields["se"]),
    "fields": sorted(fields),
}))
