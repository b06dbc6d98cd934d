# SPDX-License-Identifier: BSD-2-Clause
"""File systems that fail, for tests that run as root: one that never answers,
as NFS does without its server, one that is full, one that is read-only.

A FUSE server of its own that takes requests and answers none: whoever asks
hangs, and after a KILL does so in D state until the server is gone.
"""
from __future__ import annotations

import ctypes
import os
import signal
import struct
import subprocess
import time
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, MS_REC, MS_PRIVATE, MNT_DETACH = 0x20000, 0x4000, 0x40000, 2
FUSE_INIT = 26


def can_mount() -> bool:
    """From here on mounts are this process's own; false where that is denied."""
    return (os.geteuid() == 0 and os.access("/dev/fuse", os.W_OK) and LIBC.unshare(CLONE_NEWNS) == 0
            and LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) == 0)


def serve(path: Path) -> None:
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    if LIBC.mount(b"hanging", str(path).encode(), b"fuse", 0, options) != 0:
        return
    while True:
        request = os.read(device, 1 << 17)
        _, operation, unique = struct.unpack("<IIQ", request[:16])
        if operation == FUSE_INIT:
            reply = struct.pack("<IIIIHHIIHH", 7, 31, 65536, 0, 12, 10, 65536, 1, 0, 0).ljust(64, b"\0")
            os.write(device, struct.pack("<IiQ", 16 + len(reply), 0, unique) + reply)


class Hanging:
    """Over a directory, until release(). Do not touch it meanwhile."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.server = os.fork()
        if self.server == 0:
            try:
                serve(path)
            finally:
                os._exit(1)
        while f" {path} " not in Path("/proc/self/mountinfo").read_text():
            if os.waitpid(self.server, os.WNOHANG) != (0, 0):
                raise OSError(f"cannot mount over {path}")
            time.sleep(0.01)

    def release(self) -> None:
        """Whoever hangs gets an error, and the directory below is there again."""
        if self.server:
            LIBC.umount2(str(self.path).encode(), MNT_DETACH)
            os.kill(self.server, signal.SIGKILL)
            os.waitpid(self.server, 0)
            self.server = 0


def mount_memory(path: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "share", path], check=True)


def remount(path: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", path], check=True)


def unmount(path: Path) -> None:
    LIBC.umount2(str(path).encode(), MNT_DETACH)


def children(pid: int) -> int:
    """How many living ones it has, held by the kernel or not."""
    count = 0
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            count += Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
        except OSError:
            pass
    return count
