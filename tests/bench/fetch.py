#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Fetch and unpack against `curl URL | tar x`, in turns, over loopback.

    tests/bench/fetch.py BUILD/tests/bench/bench-fetch

Prints for gzip, xz and zstd the median wall times, their ratio (README quotes
it; the aims are 0.65, 0.8 and 0.95), CPU times and our peak memory. On a busy
machine three processes get more of it than our two threads: not to be quoted. The tree is made of
pieces of Python's library: about 20,000 files of 10 kB in the mean. Trees are
kept until the end, since ext4 is slow right after a large removal.
"""
from __future__ import annotations

import argparse
import functools
import http.server
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from pathlib import Path

PACKERS = {"gzip": ["gzip", "-c"], "xz": ["xz", "-T0", "-c"],
           "zstd": ["zstd", "-qc"]}
AIMS = {"gzip": 0.65, "xz": 0.8, "zstd": 0.95}


def corpus() -> bytes:
    library = Path(sysconfig.get_path("stdlib"))
    return b"".join(path.read_bytes()
                    for path in sorted(library.rglob("*.py")))


def make_tree(top: Path, megabytes: int) -> int:
    """Files of lognormal size, 20 in a directory; how many there are."""
    chance = random.Random(1)
    text = corpus()
    total = count = 0
    while total < megabytes * 1000000:
        size = min(int(chance.lognormvariate(8.7, 1.0)), 400000)
        start = chance.randrange(len(text) - size)
        folder = top / f"d{count // 400:03}" / f"s{count // 20 % 20:02}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file{count:05}.c").write_bytes(text[start:start + size])
        total += size
        count += 1
    return count


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


def serve(folder: Path) -> int:
    """In a process of its own, which ends with this one; its port."""
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    pid = os.fork()
    if pid == 0:
        threading.Thread(target=leave_with_parent, daemon=True).start()
        server.serve_forever()
    return server.server_address[1]


def leave_with_parent() -> None:
    while os.getppid() != 1:
        time.sleep(1)
    os._exit(0)


class Figures:
    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []
        self.peak_kib = 0

    def run(self, command: list[str]) -> None:
        os.sync()  # what was written before is not ours to wait for
        begin = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        self.wall.append(time.monotonic() - begin)
        self.cpu.append(usage.ru_utime + usage.ru_stime)
        if status != 0:
            sys.exit(f"{' '.join(command)}: failed")
        peak = re.search(r"VmHWM:\s*(\d+)", output)
        self.peak_kib = max(self.peak_kib, int(peak[1]) if peak else 0)

    def wall_s(self) -> float:
        return statistics.median(self.wall)

    def cpu_s(self) -> float:
        return statistics.median(self.cpu)


def compare(name: str, url: str, driver: str, work: Path,
            rounds: int) -> None:
    us, them = Figures(), Figures()
    for number in range(rounds):
        a, b = work / f"{name}-{number}-a", work / f"{name}-{number}-b"
        a.mkdir()
        b.mkdir()
        pipe = f"curl -sf '{url}' | tar -x --{name} -C '{b}'"
        turns = [(us, [driver, url, str(a)]),
                 (them, ["bash", "-o", "pipefail", "-c", pipe])]
        for figures, command in turns if number % 2 else reversed(turns):
            figures.run(command)
    print(f"{name:5} {us.wall_s():.2f} s, curl | tar {them.wall_s():.2f} s: "
          f"ratio {us.wall_s() / them.wall_s():.2f} (aim {AIMS[name]}); "
          f"CPU {us.cpu_s():.2f} s and {them.cpu_s():.2f} s; "
          f"our peak memory {us.peak_kib / 1024:.1f} MiB", flush=True)


def bench(driver: str, work: Path, megabytes: int, rounds: int) -> None:
    count = make_tree(work / "tree", megabytes)
    subprocess.run(["tar", "-C", work, "-cf", work / "tree.tar", "tree"],
                   check=True)
    print(f"{count} files, {megabytes} MB, medians of {rounds}, load "
          f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs", flush=True)
    (work / "www").mkdir()
    for name, packer in PACKERS.items():
        with open(work / "www" / name, "wb") as out:
            subprocess.run([*packer, work / "tree.tar"], stdout=out,
                           check=True)
    port = serve(work / "www")
    for name in PACKERS:
        compare(name, f"http://127.0.0.1:{port}/{name}", driver, work, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("driver")
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", default="/var/tmp",
                        help="where a few GB may lie (default: %(default)s)")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="xentest-bench-", dir=options.work))
    try:
        bench(options.driver, work, options.megabytes, options.rounds)
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
