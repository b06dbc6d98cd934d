#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""fetch-server.py DIRECTORY: a web server with every fault that a test needs.

Serves DIRECTORY's files on 127.0.0.1 and prints its ports for http, https (with
a certificate that nobody vouches for) and ftp. The first part of a path says
how: /plain/FILE as it should be, and see the methods below. It ends with its
stdin. GET /log answers what was asked since the last time, a line for each
request. Over ftp, the first time a file is asked for half of it comes.
"""
from __future__ import annotations

import base64
import hashlib
import os
import re
import socket
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from pathlib import Path

ROOT = Path(sys.argv[1])
LOG: list[str] = []
SEEN: Counter[str] = Counter()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        how, _, name = self.path.strip("/").partition("/")
        if how == "log":
            text = "".join(line + "\n" for line in LOG)
            LOG.clear()
            SEEN.clear()
            self.whole(text.encode(), [])
            return
        keys = ("Range", "If-Range", "If-None-Match", "If-Modified-Since")
        LOG.append(" ".join([how] + [f"{key}={self.headers[key]}" for key in keys
                                     if self.headers[key]]))
        SEEN[self.path] += 1
        self.first = SEEN[self.path] == 1
        try:
            getattr(self, "get_" + how.replace("-", "_"))(name)
        except FileNotFoundError:
            self.send_error(404, "Not here")
        except BrokenPipeError:
            pass

    def head(self, status: int, headers: list[tuple[str, str]],
             length: int) -> None:
        self.send_response(status)
        for key, value in headers:
            self.send_header(key, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def whole(self, data: bytes, headers: list[tuple[str, str]]) -> None:
        self.head(200, headers, len(data))
        self.wfile.write(data)

    def load(self, name: str) -> tuple[bytes, list[tuple[str, str]]]:
        data = (ROOT / name).read_bytes()
        tag = '"' + hashlib.sha1(data).hexdigest() + '"'
        when = formatdate((ROOT / name).stat().st_mtime, usegmt=True)
        return data, [("ETag", tag), ("Last-Modified", when)]

    def serve(self, data: bytes, headers: list[tuple[str, str]]) -> None:
        """As RFC 9110 has it: conditions, then ranges."""
        values = [value for _, value in headers]
        unless = self.headers["If-None-Match"] or self.headers["If-Modified-Since"]
        if unless in values:
            self.send_response(304)
            self.end_headers()
            return
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        proof = self.headers["If-Range"]
        if not asked or (proof and proof not in values):
            self.whole(data, headers)
            return
        start = int(asked[1])
        if start >= len(data):
            self.head(416, [("Content-Range", f"bytes */{len(data)}")], 0)
            return
        self.head(206, headers + [("Content-Range",
                  f"bytes {start}-{len(data) - 1}/{len(data)}")],
                  len(data) - start)
        self.wfile.write(data[start:])

    def get_plain(self, name: str) -> None:
        self.serve(*self.load(name))

    def get_cut(self, name: str) -> None:
        """The first time, half of it."""
        data, headers = self.load(name)
        if not self.first:
            self.serve(data, headers)
            return
        self.head(200, headers, len(data))
        self.wfile.write(data[:len(data) // 2])
        self.close_connection = True

    def get_cut_plain(self, name: str) -> None:
        """The same without validators."""
        data, headers = self.load(name)
        headers.clear()
        if not self.first:
            self.serve(data, headers)
            return
        self.head(200, headers, len(data))
        self.wfile.write(data[:len(data) // 2])
        self.close_connection = True

    def get_cut_weak(self, name: str) -> None:
        """With a weak ETag only."""
        data, headers = self.load(name)
        headers[:] = [("ETag", "W/" + headers[0][1])]
        if not self.first:
            self.serve(data, headers)
            return
        self.head(200, headers, len(data))
        self.wfile.write(data[:len(data) // 2])
        self.close_connection = True

    def get_cut_norange(self, name: str) -> None:
        """And then it knows no ranges."""
        data, headers = self.load(name)
        self.head(200, headers, len(data))
        self.wfile.write(data[:len(data) // 2] if self.first else data)
        self.close_connection = True

    def get_cut_wrong(self, name: str) -> None:
        """And then it answers another range."""
        data, headers = self.load(name)
        if self.first:
            self.head(200, headers, len(data))
            self.wfile.write(data[:len(data) // 2])
        else:
            self.head(206, headers + [("Content-Range",
                      f"bytes 5-{len(data) - 1}/{len(data)}")], len(data) - 5)
            self.wfile.write(data[5:])
        self.close_connection = True

    def get_busy(self, name: str) -> None:
        """The first two times, 503."""
        if SEEN[self.path] <= 2:
            self.send_error(503)
        else:
            self.serve(*self.load(name))

    def get_stall(self, name: str) -> None:
        """Begins and then says nothing more, the first time."""
        data, headers = self.load(name)
        if not self.first:
            self.serve(data, headers)
            return
        self.head(200, headers, len(data))
        self.wfile.write(data[:100])
        self.wfile.flush()
        time.sleep(20)

    def get_status(self, name: str) -> None:
        self.send_error(int(name))

    def get_redirect(self, name: str) -> None:
        self.head(302, [("Location", "/plain/" + name)], 0)

    def get_bare(self, name: str) -> None:
        self.serve(self.load(name)[0], [])

    def get_redirect_bare(self, name: str) -> None:
        self.head(302, [("Location", "/bare/" + name),
                        ("ETag", '"of the redirect"')], 0)

    def get_to_ftp(self, name: str) -> None:
        self.head(302, [("Location", "ftp://127.0.0.1/" + name)], 0)

    def get_to_file(self, name: str) -> None:
        self.head(302, [("Location", "file:///etc/passwd")], 0)

    def get_loop(self, name: str) -> None:
        self.head(302, [("Location", self.path)], 0)

    def get_secret(self, name: str) -> None:
        wanted = "Basic " + base64.b64encode(b"user:pass").decode()
        if self.headers["Authorization"] != wanted:
            self.send_error(401)
        else:
            self.serve(*self.load(name))

    def get_headers(self, name: str) -> None:
        """Validators that nobody should repeat."""
        data, _ = self.load(name)
        self.whole(data, [("ETag", '"' + "x" * 2000 + '"'),
                          ("Last-Modified", "\x07 bell")])


class Ftp(socketserver.StreamRequestHandler):
    """As much of RFC 959 and 2428 as a client needs to fetch a file."""

    def say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")

    def handle(self) -> None:
        answers = {"USER": "331 password", "PASS": "230 in", "PWD": '257 "/"',
                   "TYPE": "200 ok", "CWD": "250 ok"}
        start = 0
        self.say("220 here")
        for line in self.rfile:
            word, _, rest = line.decode().strip().partition(" ")
            LOG.append(f"ftp {word} {rest}".strip())
            if word == "EPSV":
                passive = socket.create_server(("127.0.0.1", 0))
                port = passive.getsockname()[1]
                self.say(f"229 Entering (|||{port}|)")
            elif word == "SIZE" and (ROOT / rest).is_file():
                self.say(f"213 {(ROOT / rest).stat().st_size}")
            elif word == "REST":
                start = int(rest)
                self.say("350 go on")
            elif word == "RETR" and (ROOT / rest).is_file():
                self.send(passive, rest, start)
            elif word in ("SIZE", "RETR"):
                self.say("550 not here")
            else:
                self.say(answers.get(word, "502 no"))

    def send(self, passive: socket.socket, name: str, start: int) -> None:
        data = (ROOT / name).read_bytes()
        SEEN["ftp " + name] += 1
        end = len(data) // 2 if SEEN["ftp " + name] == 1 else len(data)
        self.say("150 here it comes")
        connection, _ = passive.accept()
        with connection, passive:
            connection.sendall(data[start:end])
        self.say("226 done" if end == len(data) else "426 cut")


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # handshakes are to fail


class TlsServer(Server):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        with tempfile.NamedTemporaryFile() as pem:
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                 "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
                 "subjectAltName=IP:127.0.0.1", "-keyout", pem.name, "-out",
                 pem.name], check=True, stderr=subprocess.DEVNULL)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pem.name)
        self.socket = context.wrap_socket(self.socket, server_side=True)


def main() -> None:
    servers = [Server(("127.0.0.1", 0), Handler), TlsServer(),
               Server(("127.0.0.1", 0), Ftp)]
    print(*[server.server_address[1] for server in servers], flush=True)
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
