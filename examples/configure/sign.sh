#!/bin/sh
# Signs a configuration for one gateway with openssl, and prints the message for sluice/<gateway>/command.
# Needs openssl 3 and python3. Usage: sign.sh KEY.pem GATEWAY VERSION EXPIRES FILE
# EXPIRES is a time in UTC milliseconds; 0: never.
set -eu
key=$1 gateway=$2 version=$3 expires=$4 file=$5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# What is signed: four lines, then the file as it is.
printf 'sluice configuration 1\n%s\n%s\n%s\n' "$gateway" "$version" "$expires" | cat - "$file" >"$work/signed"
openssl pkeyutl -sign -rawin -inkey "$key" -in "$work/signed" -out "$work/signature"
exec python3 - "$version" "$expires" "$file" "$work/signature" <<'PYTHON'
import base64, json, sys
version, expires, file, signature = sys.argv[1:]
message = {"id": "configure-" + version, "do": "configure", "version": int(version)}
if expires != "0":
    message["expires"] = int(expires)
message["yaml"] = open(file, encoding="utf-8", newline="").read()
message["signature"] = base64.b64encode(open(signature, "rb").read()).decode()
print(json.dumps(message))
PYTHON
