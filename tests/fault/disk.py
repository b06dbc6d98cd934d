# SPDX-License-Identifier: BSD-2-Clause
"""What may be on a disk after a power loss, from a trace of the calls before.

A file's bytes are safe after fsync() of the file, a name in a directory after
fsync() of the directory (of either, for a rename between two), everything of a
file system after syncfs(). What is not safe may be there or not, each call by
itself; a write may be there in part, or as its length alone, with zeros where
bytes should be. That is what POSIX allows, and what "All File Systems Are Not
Created Equal" (OSDI 2014) found of file systems in use. /boot is a file system
of its own.
"""
from __future__ import annotations

import hashlib
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Iterator

# shim.h
(CREATE, MKDIR, SYMLINK, LINK, UNLINK, RMDIR, RENAME, WRITE, RESIZE, FSYNC, SYNCFS, CLOSE, RUN) = range(1, 14)
NAMES = ["", "create", "mkdir", "symlink", "link", "unlink", "rmdir", "rename", "write", "resize", "fsync", "syncfs",
         "close", "run"]
TRACE = struct.Struct("<BBHHHIIQQQQ")
ON_NAMES = (CREATE, MKDIR, SYMLINK, LINK, UNLINK, RMDIR, RENAME)
ON_BYTES = (WRITE, RESIZE)
NEVER = 1 << 60

Tree = dict[str, bytes | None]  # path -> bytes; None: a directory


@dataclass
class Call:
    kind: int
    role: int
    number: int  # among its role's
    ino: int
    dir: int
    dir2: int
    offset: int
    name: str
    name2: str
    data: bytes
    safe_at: int = NEVER  # after so many calls it is on the disk for sure
    matters: bool = True  # a daemon may read it back

    def __str__(self) -> str:
        what = f"{self.name} -> {self.name2}" if self.name2 else self.name
        size = f" {len(self.data)} bytes at {self.offset}" if self.kind == WRITE else ""
        return f"{NAMES[self.kind]} {what or f'#{self.ino}'}{size}"


def read_trace(path: Path) -> list[Call]:
    data = path.read_bytes()
    calls = []
    at = 0
    while at + TRACE.size <= len(data):
        kind, role, n1, n2, _, number, length, ino, dir1, dir2, offset = TRACE.unpack_from(data, at)
        at += TRACE.size
        name, name2 = data[at:at + n1].decode(), data[at + n1:at + n1 + n2].decode()
        at += n1 + n2
        calls.append(Call(kind, role, number, ino, dir1, dir2, offset, name, name2, data[at:at + length]))
        at += length
    return calls


@dataclass
class Node:
    """A file, a link (bytes: where to) or, with entries, a directory."""
    data: bytearray = field(default_factory=bytearray)
    entries: dict[str, int] | None = None


class Disk:
    """Inodes by number, from a folder as it is."""

    def __init__(self, top: Path) -> None:
        self.nodes: dict[int, Node] = {}
        self.top = self._scan(top)

    def _scan(self, path: Path) -> int:
        st = path.lstat()
        if path.is_symlink():
            node = Node(bytearray(os.readlink(path).encode()))
        elif path.is_dir():
            node = Node(entries={entry.name: self._scan(path / entry.name) for entry in os.scandir(path)})
        else:
            node = Node(bytearray(path.read_bytes()))
        self.nodes[st.st_ino] = node
        return st.st_ino

    def copy(self) -> Disk:
        other = Disk.__new__(Disk)
        other.top = self.top
        other.nodes = {ino: Node(bytearray(node.data), None if node.entries is None else dict(node.entries))
                       for ino, node in self.nodes.items()}
        return other

    def do(self, call: Call) -> None:
        """Calls on what is unknown (not on this disk, or lost) change nothing."""
        if call.kind in ON_BYTES:
            self._change_bytes(call)
        elif call.kind in ON_NAMES:
            self._change_names(call)

    def _change_bytes(self, call: Call) -> None:
        data = self.nodes.setdefault(call.ino, Node()).data
        if call.kind == RESIZE:
            del data[call.offset:]
            data.extend(bytes(call.offset - len(data)))
            return
        data.extend(bytes(max(0, call.offset - len(data))))
        data[call.offset:call.offset + len(call.data)] = call.data

    def _change_names(self, call: Call) -> None:
        entries = self._entries(call.dir)
        if call.kind in (UNLINK, RMDIR):
            entries.pop(call.name, None)
        elif call.kind == RENAME:
            ino = entries.pop(call.name, call.ino)
            self._entries(call.dir2)[call.name2] = ino
        else:
            if call.kind == MKDIR:
                self._entries(call.ino)
            elif call.kind == SYMLINK:
                self.nodes[call.ino] = Node(bytearray(call.data))
            entries[call.name] = call.ino

    def _entries(self, ino: int) -> dict[str, int]:
        node = self.nodes.setdefault(ino, Node(entries={}))
        if node.entries is None:
            node.entries = {}
        return node.entries

    def tree(self) -> Tree:
        found: Tree = {}
        self._walk(self.top, "", found)
        return found

    def _walk(self, ino: int, path: str, found: Tree) -> None:
        node = self.nodes.get(ino, Node())
        found[path] = bytes(node.data) if node.entries is None else None
        for name, child in (node.entries or {}).items():
            self._walk(child, f"{path}/{name}", found)


def name_all(calls: list[Call], disk: Disk) -> dict[int, str]:
    """The path at which each inode was seen first; renames get their inode."""
    paths = {}

    def walk(ino: int, path: str) -> None:
        paths[ino] = path
        for name, child in (disk.nodes[ino].entries or {}).items():
            walk(child, f"{path}/{name}")

    walk(disk.top, "")
    live = disk.copy()
    for call in calls:
        if call.kind == RENAME and call.dir in live.nodes:
            call.ino = live._entries(call.dir).get(call.name, 0)
        live.do(call)
        if call.kind in (CREATE, MKDIR, SYMLINK, LINK):
            paths.setdefault(call.ino, f"{paths.get(call.dir, '?')}/{call.name}")
    return paths


def prepare(calls: list[Call], disk: Disk, matters: Callable[[str], bool]) -> dict[int, str]:
    """Fills in safe_at, and matters by the path that a call is about."""
    paths = name_all(calls, disk)
    for at, call in enumerate(calls):
        if call.kind in ON_NAMES:
            call.matters = matters(f"{paths.get(call.dir, '?')}/{call.name}")
            if call.kind == RENAME:
                call.matters |= matters(f"{paths.get(call.dir2, '?')}/{call.name2}")
        elif call.kind in ON_BYTES:
            call.matters = matters(paths.get(call.ino, "?"))
        elif call.kind == FSYNC:
            for earlier in calls[:at]:
                if (earlier.kind in ON_BYTES and earlier.ino == call.ino) or (
                        earlier.kind in ON_NAMES and call.ino in (earlier.dir, earlier.dir2)):
                    earlier.safe_at = min(earlier.safe_at, at + 1)
        elif call.kind == SYNCFS:
            for earlier in calls[:at]:
                if call.ino == 0 or in_boot(paths, earlier) == paths.get(call.ino, "").startswith("/root/boot"):
                    earlier.safe_at = min(earlier.safe_at, at + 1)
    return paths


def in_boot(paths: dict[int, str], call: Call) -> bool:
    return paths.get(call.dir or call.ino, "").startswith("/root/boot")


@dataclass
class State:
    """A disk after a power loss."""
    after: int  # so many calls
    what: str
    tree: Tree


Changed = dict[int, "Call | None"]  # by id() of a call: what is on the disk in its place; None: nothing


def torn(call: Call) -> Iterator[tuple[str, Call]]:
    half = len(call.data) // 2
    yield "half", Call(**(vars(call) | {"data": call.data[:half]}))
    yield "zeros", Call(**(vars(call) | {"data": bytes(len(call.data))}))


def variants(pending: list[Call]) -> Iterator[tuple[str, Changed]]:
    """What of the calls that are not safe is on the disk."""
    yield "everything", {}
    yield "nothing that was not synced", {id(call): None for call in pending}
    for call in pending:
        yield f"all but {call}", {id(call): None}
        yield f"only {call}", {id(other): None for other in pending if other is not call}
        if call.kind == WRITE:
            for how, part in torn(call):
                yield f"all, {how} of {call}", {id(call): part}
    for n in range(1, len(pending)):
        yield f"the first {n} of {len(pending)}", {id(call): None for call in pending[n:]}


def states(calls: list[Call], disk: Disk, significant: Callable[[Tree], Tree]) -> list[State]:
    """Each that is different in what matters, at the last moment that it can
    be met: by then most tests have run, and must not do so again."""
    found: dict[bytes, State] = {}
    base, done = disk.copy(), 0  # calls[:done] are on the disk for sure
    for after in range(len(calls) + 1):
        while done < after and (calls[done].safe_at <= after or not calls[done].matters):
            base.do(calls[done])
            done += 1
        rest = calls[done:after]
        pending = [call for call in rest if call.safe_at > after and call.matters and call.kind in ON_NAMES + ON_BYTES]
        for what, changed in variants(pending):
            survivor = base.copy()
            for call in rest:
                kept = changed.get(id(call), call)
                if kept is not None:
                    survivor.do(kept)
            tree = survivor.tree()
            found[digest(significant(tree))] = State(after, what, tree)
    return sorted(found.values(), key=lambda state: (state.after, state.what))


def digest(tree: Tree) -> bytes:
    h = hashlib.sha256()
    for path in sorted(tree):
        data = tree[path]
        h.update(f"{path}\0{-1 if data is None else len(data)}\0".encode())
        h.update(data or b"")
    return h.digest()
