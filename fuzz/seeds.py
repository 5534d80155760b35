#!/usr/bin/env python3
"""Makes the first inputs of each fuzz target, from the test vectors and the documentation.

    fuzz/seeds.py FOLDER      writes FOLDER/TARGET/NAME

Nothing of it is kept: the vectors are.
"""

import hashlib
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def save(target, data):
    folder = pathlib.Path(sys.argv[1]) / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha1(data).hexdigest()[:16]).write_bytes(data)


def request_of(vector):
    """Head and body of a vector's request, with its placeholders made usable."""
    found = re.search(r"^=== request\n(.*?)^=== reply$", vector, re.S | re.M)
    if not found:
        return None
    text = found.group(1).removesuffix("\n")
    text = re.sub(r"\{(?:sessionid|session)\}", "{session}", text)
    head, _, body = text.partition("\n\n")
    return head, body


def vectors():
    for path in sorted((ROOT / "tests/vectors").rglob("*.txt")):
        request = request_of(path.read_text(encoding="utf-8"))
        if request:
            yield request


def main():
    for head, body in vectors():
        first, *headers = head.split("\n")
        target = first.split(" ")[1]
        save("request", f"{head}\n\n{body}".encode())
        save("head", f"{head}\n\n{body}".encode())
        length = str(len(body.encode()))
        wire = head.replace("{length}", length).replace("\n", "\r\n") + "\r\n\r\n" + body
        save("connection", wire.encode())
        if "?" in target:
            save("query", f"{target.split('?', 1)[1]}\n{body}".encode())
        kinds = [h.split(":", 1)[1].strip() for h in headers if h.lower().startswith("content-type:")]
        kind = kinds[0] if kinds else ""
        if kind.startswith("multipart/"):
            save("multipart", f"{kind}\n{body}".encode())
        elif body.startswith("{"):
            save("json", body.encode())
        elif body:
            save("form", body.encode())
            save("query", f"{body}\n{body}".encode())
            parts = "".join(
                f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                for name, _, value in (pair.partition("=") for pair in body.split("&"))
            )
            save("multipart", f"multipart/form-data; boundary=b\n{parts}--b--\r\n".encode())
            save("envelope", f"secret\ninit-iv\nab\n{body}".encode())
        for header in headers:
            if header.lower().startswith("cookie:"):
                save("cookie", header.split(":", 1)[1].strip().encode())
    save("cookie", b"a=b; __session=0123456789abcdef0123456789abcdef; c=\"d\"")
    for proxies in ("10.0.0.9, 1.2.3.4", "[2001:db8::1]:443,10.1.1.1", "6.6.6.6, nonsense"):
        save("head", f"GET /api/1.2?type=x HTTP/1.1\nx-forwarded-for: {proxies}\n\n".encode())
    chunked = b"POST /api/1.2/ HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n6\r\ntype=x\r\n0\r\n\r\n"
    save("connection", chunked + b"GET / HTTP/1.1\r\nexpect: 100-continue\r\n\r\n")
    page = (ROOT / "docs/app-json.md").read_text(encoding="utf-8")
    for example in re.findall(r"^```json[^\n]*\n(.*?)^```$", page, re.S | re.M):
        save("document", example.encode())
        save("json", example.encode())
        try:
            whole = json.loads(example)
        except ValueError:
            continue
        if isinstance(whole, dict):
            # Each list by itself, so that a change of one is not hidden behind another's fault.
            for name, value in whole.items():
                alone = {"format": "keystead-app", "version": 1, name: value}
                save("document", json.dumps(alone).encode())


main()
