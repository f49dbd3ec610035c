#!/usr/bin/env python3
"""Opens a bundle with the cryptography of Python, by docs/reference/formats/bundle.md alone. Prints JSON lines.

Usage: open-bundle.py BUNDLE PLATFORM.KEY GATEWAY.KEY-TEXT [RECEIPT]
       BUNDLE is the file; PLATFORM.KEY the private keys; then the line sluice-gateway-1:… that is trusted.
With RECEIPT it checks that file too.
"""
import base64
import hashlib
import json
import os
import struct
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples", "decode-columns"))
import decode  # noqa: E402

file, secret_file, gateway_text, *receipts = sys.argv[1:]


def b64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def u32(at):
    return struct.unpack("<I", data[at:at + 4])[0]


data = open(file, "rb").read()
assert data[:4] == b"SLB\x01", "magic"
begin = 8 + u32(4)
head = json.loads(data[8:begin])
chunks, at = [], begin
while u32(at):
    chunks.append(data[at + 4:at + 4 + u32(at)])
    at += 4 + u32(at)
at += 4
hashed = data[:at]
length = u32(at)
statement_bytes, signature = data[at + 4:at + 4 + length], data[at + 4 + length:]
assert len(signature) == 64, "length"

gateway = Ed25519PublicKey.from_public_bytes(b64(gateway_text.split(":")[1]))
gateway.verify(signature, b"sluice bundle 1\0" + statement_bytes)
statement = json.loads(statement_bytes)
assert statement["sha256"] == hashlib.sha256(hashed).hexdigest(), "hash"
assert [statement[k] for k in ("bundle", "gateway", "platform")] == [head[k] for k in ("id", "gateway", "platform")]

secret = json.load(open(secret_file))
x25519 = X25519PrivateKey.from_private_bytes(b64(secret["x25519"]))
ed25519 = Ed25519PrivateKey.from_private_bytes(b64(secret["ed25519"])).public_key()
raw = [key.public_bytes(Encoding.Raw, PublicFormat.Raw) for key in (x25519.public_key(), ed25519)]
assert hashlib.sha256(raw[0] + raw[1]).hexdigest()[:32] == head["platform"], "platform"
shared = x25519.exchange(X25519PublicKey.from_public_bytes(b64(head["ephemeral"])))
key = HKDF(SHA256(), 32, hashlib.sha256(data[:begin]).digest(), b"sluice bundle 1").derive(shared)
content = b"".join(
    ChaCha20Poly1305(key).decrypt(bytes(7) + struct.pack(">I", n) + bytes([n == len(chunks) - 1]), chunk, None)
    for n, chunk in enumerate(chunks))

for receipt_file in receipts:
    receipt = json.load(open(receipt_file))
    assert receipt["statement"].encode() == statement_bytes and b64(receipt["signature"]) == signature
    ed25519.verify(b64(receipt["receipt"]),
                   b"sluice receipt 1\0" + signature + b"%d\0" % receipt["stored"] + statement_bytes)

print(json.dumps({"statement": statement}))
at = 0
while at < len(content):
    kind, size = content[at], struct.unpack("<I", content[at + 1:at + 5])[0]
    body = content[at + 5:at + 5 + size]
    at += 5 + size
    if kind in (1, 2, 6):
        for record in decode.decode(body)[1]:
            print(json.dumps({"kind": kind, "record": record}, ensure_ascii=False))
    else:
        print(json.dumps({"kind": kind, "message": json.loads(body)}, ensure_ascii=False))
