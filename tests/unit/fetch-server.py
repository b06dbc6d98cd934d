#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""fetch-server.py DIRECTORY: a web server with every fault that a test needs.

Serves DIRECTORY's files on 127.0.0.1 and prints its port. The first part of a
path says how: /plain/FILE as it should be, and see the methods below. It ends
with its stdin. GET /log answers what was asked since the last time, a line for
each request.
"""
from __future__ import annotations

import base64
import hashlib
import os
import re
import socketserver
import sys
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
        self.head(302, [("Location", "/plain/" + name),
                        ("ETag", '"of the redirect"')], 0)

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


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


def end_with_stdin() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    with Server(("127.0.0.1", 0), Handler) as server:
        print(server.server_address[1], flush=True)
        threading.Thread(target=end_with_stdin, daemon=True).start()
        server.serve_forever()


if __name__ == "__main__":
    main()
