#!/usr/bin/env python3
"""What connections cost that say nothing: opens many that never speak, then many that make one request each, and prints
the server's resident set.

    bench/run.sh idle [COUNT]    10000 connections, on a release build

KEYSTEAD_BIN measures that binary instead of building one. Several loopback addresses are used, because one of them has
too few ports. Needs Linux, and as many open files as connections (ulimit -n), twice.
"""

import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
REQUEST = (
    b"POST /api/1.2/ HTTP/1.1\r\nhost: x\r\nuser-agent: KeyAuth\r\naccept: */*\r\n"
    b"content-type: application/x-www-form-urlencoded\r\ncontent-length: 50\r\n\r\n"
    b"type=check&sessionid=0&name=demo&ownerid=AbCdEfGh1"
)
# After so many seconds the server has put away what it keeps for a client that may go on at once.
REST = 6


def build():
    target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
    subprocess.run(["cargo", "build", "--quiet", "--release", "--locked"], cwd=ROOT, check=True)
    return pathlib.Path(target) / "release/keystead"


def resident(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) / 1024


def ask(connection):
    connection.sendall(REQUEST)
    said = b""
    while b"\r\n\r\n" not in said:
        piece = connection.recv(4096)
        if not piece:
            sys.exit("idle: the server closed a connection")
        said += piece


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most < count + 300:
        sys.exit(f"idle: at most {most} files may be open here; raise that (ulimit -Hn), or ask for fewer")
    binary = os.environ.get("KEYSTEAD_BIN") or build()
    with tempfile.TemporaryDirectory() as folder:
        settings = ["--rate-limit", "off", "--log-level", "warn", "--max-connections", str(count + 100), "--idle-timeout", "1h", "--header-timeout", "1h"]
        server = subprocess.Popen(
            [binary, "serve", "--database", f"{folder}/k.db", "--listen", "0.0.0.0:0", *settings],
            stderr=subprocess.PIPE, text=True,
        )
        try:
            port = next(int(m.group(1)) for m in (re.search(r"listening on http://.*:(\d+)$", l.rstrip()) for l in server.stderr) if m)
            for _ in range(50):
                with socket.create_connection(("127.0.0.1", port)) as connection:
                    ask(connection)
            before = resident(server.pid)
            print(f"before                    {before:8.1f} MiB")
            silent = [socket.create_connection((f"127.0.0.{1 + n % 8}", port), timeout=30) for n in range(count)]
            time.sleep(REST)
            after = resident(server.pid)
            print(f"{count} never spoke       {after:8.1f} MiB   {(after - before) * 1024 * 1024 / count:.0f} bytes each")
            for connection in silent:
                connection.close()
            time.sleep(REST)
            before = resident(server.pid)
            print(f"these are gone            {before:8.1f} MiB")
            open_ones = []
            for n in range(count):
                connection = socket.create_connection((f"127.0.0.{1 + n % 8}", port), timeout=30)
                open_ones.append(connection)
                ask(connection)
            print(f"{count} have asked once     {resident(server.pid):8.1f} MiB")
            time.sleep(REST)
            after = resident(server.pid)
            print(f"and say nothing since     {after:8.1f} MiB   {(after - before) * 1024 * 1024 / count:.0f} bytes each")
            for connection in open_ones:
                ask(connection)
            print(f"all have asked again      {resident(server.pid):8.1f} MiB")
            time.sleep(REST)
            print(f"and say nothing since     {resident(server.pid):8.1f} MiB")
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()


main()
