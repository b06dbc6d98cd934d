#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A Xen that is none, for tests of real daemons.

A directory holds it; the environment variable XENTEST_FAKE_XEN names it:
  socket.N     xenstore as domain N sees it, for XENSTORED_PATH: libxenstore
               itself talks to it. N is 0, and each domain that was created
  domains/N    "paused", "running", "blocked", "shutdown 3", "dying 0"; none:
               there is no such domain
  version      lines of "xen", "changeset", "build_id", "command_line"
  calls        what xl was asked, one call a line

`fakexen.py DIR` serves xenstore until it is killed. Tests in Python use
FakeXen(DIR), which does so in a thread.
"""
from __future__ import annotations

import os
import selectors
import socket
import struct
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

# xen/include/public/io/xs_wire.h
HEADER = struct.Struct("=IIII")
(DIRECTORY, READ, GET_PERMS, WATCH, UNWATCH, START, END, INTRODUCE, RELEASE,
 GET_DOMAIN_PATH, WRITE, MKDIR, RM, SET_PERMS, WATCH_EVENT, ERROR) = range(1, 17)
GUEST_WRITES = ("data", "attr", "drivers", "feature", "error")


class Refused(Exception):
    """The name of an errno goes back to the client."""


@dataclass
class Client:
    socket: socket.socket
    domid: int
    buffer: bytes = b""
    watches: list[tuple[str, str]] = field(default_factory=list)

    @property
    def home(self) -> str:
        return f"/local/domain/{self.domid}"

    def absolute(self, path: str) -> str:
        return path if path[:1] in "/@" else f"{self.home}/{path}"


class Server:
    """xenstored: enough of the protocol for what libxenstore is asked here."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.nodes: dict[str, bytes] = {"/": b""}
        self.selector = selectors.DefaultSelector()
        self.listeners: dict[int, socket.socket] = {}
        self.clients: list[Client] = []
        (directory / "domains").mkdir(parents=True, exist_ok=True)
        self.put("/local/domain/0/domid", b"0")
        self.put("/local/domain/0/name", b"Domain-0")
        self.listen(0)

    def listen(self, domid: int) -> None:
        if domid in self.listeners:
            return
        path = self.directory / f"socket.{domid}"
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(16)
        self.listeners[domid] = listener
        self.selector.register(listener, selectors.EVENT_READ, domid)

    def close(self) -> None:
        for each in [client.socket for client in self.clients] + list(self.listeners.values()):
            each.close()
        self.selector.close()

    def serve(self, stop: threading.Event | None = None) -> None:
        while stop is None or not stop.is_set():
            for key, _ in self.selector.select(0.05 if stop else None):
                if isinstance(key.data, Client):
                    self.receive(key.data)
                else:
                    client = Client(key.fileobj.accept()[0], key.data)
                    self.clients.append(client)
                    self.selector.register(client.socket, selectors.EVENT_READ, client)

    def receive(self, client: Client) -> None:
        try:
            data = client.socket.recv(65536)
        except OSError:
            data = b""
        if not data:
            self.selector.unregister(client.socket)
            self.clients.remove(client)
            client.socket.close()
            return
        client.buffer += data
        while len(client.buffer) >= HEADER.size:
            kind, request, tx, length = HEADER.unpack_from(client.buffer)
            if len(client.buffer) < HEADER.size + length:
                break
            payload = client.buffer[HEADER.size:HEADER.size + length]
            client.buffer = client.buffer[HEADER.size + length:]
            events: list[str] = []
            try:
                answer = self.handle(client, kind, payload, events)
            except Refused as refused:
                kind, answer = ERROR, str(refused).encode() + b"\0"
            self.send(client, kind, request, tx, answer)
            if kind == WATCH:
                path, token = payload.decode().split("\0")[:2]
                self.send_event(client, path, token)
            for path in events:
                self.fire(path)

    def send(self, client: Client, kind: int, request: int, tx: int, payload: bytes) -> None:
        try:
            client.socket.sendall(HEADER.pack(kind, request, tx, len(payload)) + payload)
        except OSError:
            pass  # its end is noticed by receive()

    def send_event(self, client: Client, path: str, token: str) -> None:
        self.send(client, WATCH_EVENT, 0, 0, f"{path}\0{token}\0".encode())

    def fire(self, changed: str) -> None:
        for client in list(self.clients):
            for path, token in client.watches:
                watched = client.absolute(path)
                below = changed == watched or changed.startswith(watched.rstrip("/") + "/")
                above = changed not in self.nodes and watched.startswith(changed + "/")
                if not below and not above:
                    continue
                told = changed if below else watched
                if not path.startswith(("/", "@")):
                    told = told[len(client.home) + 1:]
                self.send_event(client, told, token)

    def put(self, path: str, value: bytes | None) -> None:
        parent = ""
        for part in path.strip("/").split("/"):
            parent += "/" + part
            self.nodes.setdefault(parent, b"")
        if value is not None:
            self.nodes[path] = value

    def remove(self, path: str) -> bool:
        gone = [p for p in self.nodes if p == path or p.startswith(path + "/")]
        for p in gone:
            del self.nodes[p]
        return bool(gone)

    def check(self, client: Client, path: str, *, write: bool) -> None:
        if client.domid == 0:
            return
        own = path == client.home or path.startswith(client.home + "/")
        top = path[len(client.home) + 1:].split("/")[0]
        if not own or (write and top not in GUEST_WRITES):
            raise Refused("EACCES")

    def handle(self, client: Client, kind: int, payload: bytes, events: list[str]) -> bytes:
        first, _, rest = payload.partition(b"\0")
        path = client.absolute(first.decode())
        if kind in (READ, DIRECTORY, GET_PERMS):
            self.check(client, path, write=False)
            if path not in self.nodes:
                raise Refused("ENOENT")
            if kind == READ:
                return self.nodes[path]
            if kind == GET_PERMS:
                return b"n0\0"
            prefix = path.rstrip("/") + "/"
            names = {p[len(prefix):].split("/")[0] for p in self.nodes if p.startswith(prefix) and p != "/"}
            return b"".join(n.encode() + b"\0" for n in sorted(names))
        if kind in (WRITE, MKDIR):
            self.check(client, path, write=True)
            if len(rest) > 2048:
                raise Refused("E2BIG")
            self.put(path, rest if kind == WRITE else None)
            events.append(path)
        elif kind == RM:
            self.check(client, path, write=True)
            if not self.remove(path):
                raise Refused("ENOENT")
            events.append(path)
        elif kind == WATCH:
            client.watches.append((first.decode(), rest.rstrip(b"\0").decode()))
        elif kind == UNWATCH:
            watch = (first.decode(), rest.rstrip(b"\0").decode())
            if watch not in client.watches:
                raise Refused("ENOENT")
            client.watches.remove(watch)
        elif kind == START:
            return b"1\0"
        elif kind == INTRODUCE:
            self.listen(int(first))
            events.append("@introduceDomain")
        elif kind == RELEASE:
            events.append("@releaseDomain")
        elif kind not in (END, SET_PERMS):
            raise Refused("ENOSYS")
        return b"OK\0"


class Store:
    """A client, for the fake xl, fake guests and tests."""

    def __init__(self, directory: str | Path, domid: int = 0) -> None:
        self.directory = Path(directory)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(self.directory / f"socket.{domid}"))

    def close(self) -> None:
        self.socket.close()

    def ask(self, kind: int, *parts: str | bytes, end: bytes = b"\0") -> bytes:
        payload = b"\0".join(p.encode() if isinstance(p, str) else p for p in parts) + end
        self.socket.sendall(HEADER.pack(kind, 0, 0, len(payload)) + payload)
        got, _, _, length = HEADER.unpack(self._take(HEADER.size))
        answer = self._take(length)
        if got == ERROR:
            raise Refused(answer.rstrip(b"\0").decode())
        return answer

    def _take(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            chunk = self.socket.recv(length - len(data))
            if not chunk:
                raise ConnectionError("the fake xenstored is gone")
            data += chunk
        return data

    def read(self, path: str) -> str | None:
        try:
            return self.ask(READ, path).decode()
        except Refused:
            return None

    def write(self, path: str, value: str | bytes) -> None:
        self.ask(WRITE, path, value, end=b"")

    def remove(self, path: str) -> None:
        try:
            self.ask(RM, path)
        except Refused:
            pass

    def list(self, path: str) -> list[str]:
        try:
            return [n for n in self.ask(DIRECTORY, path).decode().split("\0") if n]
        except Refused:
            return []

    # ---- domains ----

    def set_domain(self, domid: int, state: str | None) -> None:
        path = self.directory / "domains" / str(domid)
        if state is None:
            path.unlink(missing_ok=True)
            self.remove(f"/local/domain/{domid}")
        else:
            new = path.with_suffix(".new")
            new.write_text(state)
            new.rename(path)

    def domain(self, domid: int) -> str | None:
        try:
            return (self.directory / "domains" / str(domid)).read_text()
        except OSError:
            return None

    def introduce(self, domid: int) -> None:
        self.ask(INTRODUCE, str(domid))

    def release(self, domid: int) -> None:
        self.ask(RELEASE, str(domid))


class FakeXen:
    """A served directory, for `with`."""

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self._stop = threading.Event()
        self._server = Server(self.directory)
        self._thread = threading.Thread(target=self._server.serve, args=(self._stop,), daemon=True)

    def __enter__(self) -> FakeXen:
        self._thread.start()
        self.store = Store(self.directory)
        return self

    def __exit__(self, *_: object) -> None:
        for pid in (self.directory / "domains").glob("*.pid"):
            try:
                os.kill(int(pid.read_text()), 9)
            except (OSError, ValueError):
                pass
        self.store.close()
        self._stop.set()
        self._thread.join()
        self._server.close()

    def environment(self, domid: int = 0) -> dict[str, str]:
        return {
            "XENTEST_FAKE_XEN": str(self.directory),
            "XENSTORED_PATH": str(self.directory / f"socket.{domid}"),
        }

    def calls(self) -> list[str]:
        try:
            return (self.directory / "calls").read_text().splitlines()
        except OSError:
            return []

    def set_version(self, **texts: str) -> None:
        lines = [f"{key}={value}\n" for key, value in texts.items()]
        (self.directory / "version").write_text("".join(lines))


if __name__ == "__main__":
    Server(Path(sys.argv[1])).serve()
