"""Opens an encrypted backup by docs/reference/formats/backup.md, with another library. Prints its files as JSON."""

import base64
import hashlib
import json
import struct
import sys
import unicodedata

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

with open(sys.argv[1], "rb") as backup:
    data = backup.read()
assert data[:4] == b"SLK\x01"
length = struct.unpack_from("<I", data, 4)[0]
head = json.loads(data[8 : 8 + length])
at = 8 + length
aad = hashlib.sha256(data[:at]).digest()
kdf = head["kdf"]
salt = base64.urlsafe_b64decode(kdf["salt"] + "==")
key = Scrypt(salt=salt, length=32, n=kdf["n"], r=kdf["r"], p=kdf["p"]).derive(
    unicodedata.normalize("NFC", sys.argv[2]).encode()
)
plain = b""
chunk = 0
while True:
    size = struct.unpack_from("<I", data, at)[0]
    sealed = data[at + 4 : at + 4 + size]
    at += 4 + size
    last = struct.unpack_from("<I", data, at)[0] == 0
    nonce = bytes(7) + struct.pack(">I", chunk) + bytes([1 if last else 0])
    plain += AESGCM(key).decrypt(nonce, sealed, aad)
    chunk += 1
    if last:
        break
assert at + 4 == len(data)
files = []
at = 0
while True:
    size = struct.unpack_from("<I", plain, at)[0]
    at += 4
    if size == 0:
        break
    entry = json.loads(plain[at : at + size])
    at += size
    body = plain[at : at + entry["size"]]
    at += entry["size"]
    files.append([f"{entry['where']}/{entry['name']}", len(body), body[:20].decode()])
assert at == len(plain)
print(json.dumps(files))
