#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""make-archives.py DIRECTORY: the archives that test-unpack.c unpacks.

Good ones in every format, broken ones, and each kind of hostile one.
"""
from __future__ import annotations

import bz2
import gzip
import io
import lzma
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

Entry = tuple[tarfile.TarInfo, bytes]


def entry(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"",
          link: str = "", mode: int = 0o644) -> Entry:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.size = len(content)
    info.linkname = link
    info.mode = mode
    info.mtime = 1000000000
    return info, content


def tar(*entries: Entry, form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def folder(name: str) -> Entry:
    return entry(name, tarfile.DIRTYPE, mode=0o755)


def symlink(name: str, target: str) -> Entry:
    return entry(name, tarfile.SYMTYPE, link=target)


def hardlink(name: str, target: str) -> Entry:
    return entry(name, tarfile.LNKTYPE, link=target)


def sample() -> bytes:
    noise = bytes((i * i >> 3) & 255 for i in range(300000))
    return tar(folder("tree"),
               entry("tree/hello.c", content=b"int main(void);\n"),
               entry("tree/run", content=b"#!/bin/sh\n", mode=0o6777),
               entry("tree/deep/er/noise", content=noise),
               folder("tree/closed"),
               entry("tree/empty"),
               symlink("tree/link", "deep/er/noise"),
               symlink("tree/deep/up", "../hello.c"),
               hardlink("tree/hard", "tree/hello.c"))


def zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-qc"], input=data, stdout=subprocess.PIPE,
                          check=True).stdout


def packed() -> dict[str, bytes]:
    plain = sample()
    return {
        "good.tar": plain,
        "good.gzip": gzip.compress(plain),
        "good.bzip2": bz2.compress(plain),
        "good.xz": lzma.compress(plain),
        "good.zstd": zstd(plain),
        "two-members.gzip": gzip.compress(plain[:70000])
        + gzip.compress(plain[70000:]) + bytes(1000),
        "gnu.tar": tar(entry("tree/" + "long/" * 60 + "name", content=b"x"),
                       form=tarfile.GNU_FORMAT),
        "ustar.tar": tar(entry("tree/a", content=b"x"),
                         form=tarfile.USTAR_FORMAT),
    }


def broken(good: dict[str, bytes]) -> dict[str, bytes]:
    made = {}
    for form in ("gzip", "bzip2", "xz", "zstd"):
        data = good["good." + form]
        made["short." + form] = data[:-5]
        made["half." + form] = data[:len(data) // 2]
        made["after." + form] = data + b"what is this" * 20
        at = -40 if form == "xz" else -3 if form == "zstd" else -7
        flipped = bytearray(data)
        flipped[at] ^= 0x55
        made["flipped." + form] = bytes(flipped)
        made["no-tar." + form] = {
            "gzip": gzip.compress, "bzip2": bz2.compress,
            "xz": lzma.compress, "zstd": zstd}[form](b"no tar\n" * 500)
    plain = good["good.tar"]
    made["half.tar"] = plain[:100000]
    # Cut where an entry ends: two headers, a block of content each.
    made["between.tar"] = tar(entry("a", content=b"1"),
                              entry("b", content=b"2"))[:4 * 512]
    made["after.tar"] = plain + b"what is this" * 100
    made["flipped.tar"] = plain[:513] + b"\x55" + plain[514:]
    made["nothing.gzip"] = gzip.compress(bytes(10240))
    made["void.gzip"] = gzip.compress(b"")
    made["empty"] = b""
    made["text"] = b"some words\n" * 100
    made["page.html"] = b"<!DOCTYPE html><title>404</title>" * 20
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("tree/a", "x")
    made["zip"] = zipped.getvalue()
    made["cpio"] = b"070701" + b"0" * 600
    return made


def hostile() -> dict[str, bytes]:
    x = b"escaped\n"
    huge = tarfile.TarInfo("tree/sparse")
    huge.size = 1 << 50
    return {
        "absolute.tar": tar(entry("/tmp/xentest-escaped", content=x)),
        "dotdot.tar": tar(entry("../escaped", content=x)),
        "dotdot-inside.tar": tar(entry("tree/../../escaped", content=x)),
        "dotdot-dir.tar": tar(folder("tree/../../escaped")),
        "link-absolute.tar": tar(symlink("tree/l", "/etc")),
        "link-up.tar": tar(symlink("tree/l", "../../escaped")),
        "link-up-top.tar": tar(symlink("l", "..")),
        "link-zigzag.tar": tar(symlink("a/l1", ".."),
                               symlink("a/l2", "l1/../escaped")),
        "through-link.tar": tar(folder("tree/d"), symlink("tree/l", "d"),
                                entry("tree/l/escaped", content=x)),
        "through-link-dir.tar": tar(folder("tree/d"), symlink("tree/l", "d"),
                                    folder("tree/l/escaped")),
        "link-then-dir.tar": tar(folder("tree/d"), symlink("tree/l", "d"),
                                 folder("tree/l")),
        "through-file.tar": tar(entry("tree"), entry("tree/a", content=x)),
        "hard-absolute.tar": tar(hardlink("tree/l", "/etc/passwd")),
        "hard-up.tar": tar(hardlink("tree/l", "../escaped")),
        "hard-through-link.tar": tar(entry("tree/d/a", content=x),
                                     symlink("tree/l", "d"),
                                     hardlink("tree/b", "tree/l/a")),
        "hard-to-symlink.tar": tar(symlink("a/b/c/l", "../../../x"),
                                   hardlink("l", "a/b/c/l")),
        "hard-to-itself.tar": tar(entry("tree/a", content=x),
                                  hardlink("tree/a", "tree/a")),
        "hard-to-dir.tar": tar(folder("tree/d"), hardlink("tree/l", "tree/d")),
        "hard-to-nothing.tar": tar(folder("tree"),
                                   hardlink("tree/l", "tree/gone")),
        "char.tar": tar(entry("tree/null", tarfile.CHRTYPE)),
        "block.tar": tar(entry("tree/disk", tarfile.BLKTYPE)),
        "fifo.tar": tar(entry("tree/fifo", tarfile.FIFOTYPE)),
        "dir-then-file.tar": tar(folder("tree/a"), entry("tree/a", content=x)),
        "replaces-root.tar": tar(entry("./", content=x)),
        "deep.tar": tar(entry("d/" * 500 + "a", content=x)),
        "long.tar": tar(entry("d" * 5000, content=x)),
        "long-name.tar": tar(entry("d" * 300, content=x)),
        "escape-sequence.tar": tar(entry("../\x1b[31mred\nline", content=x)),
        "bomb.gzip": gzip.compress(tar(entry("big", content=bytes(300 << 20))),
                                   1),
        "bomb-after-end.gzip": gzip.compress(
            tar(entry("a", content=x)) + bytes(300 << 20), 1),
        "sparse-bomb.tar": huge.tobuf(tarfile.PAX_FORMAT) + bytes(1024),
        "many.tar": tar(*[entry(f"f{i}") for i in range(200)]),
    }


def odd() -> dict[str, bytes]:
    return {
        "twice.tar": tar(entry("tree/a", content=b"first\n"),
                         hardlink("tree/b", "tree/a"),
                         entry("tree/a", content=b"second\n")),
        "link-replaced.tar": tar(folder("tree"), symlink("tree/a", "b"),
                                 entry("tree/b", content=b"kept\n"),
                                 entry("tree/a", content=b"new\n")),
        "dots.tar": tar(folder("./"), folder("./tree"),
                        entry("./tree//./a", content=b"x\n")),
        "names.tar": tar(entry("tree/gr\u00fc\u00df \U0001f427",
                               content=b"x\n")),
        "latin1.tar": tar(entry("tree/gr\udcfc\udcdf", content=b"x\n"),
                          form=tarfile.GNU_FORMAT),
        "dir-mode.tar": tar(entry("tree/a/b"), folder("tree/a"),
                            entry("tree/a", tarfile.DIRTYPE, mode=0o2577)),
    }


def main() -> None:
    where = Path(sys.argv[1])
    good = packed()
    for made in good, broken(good), hostile(), odd():
        for name, data in made.items():
            (where / name).write_bytes(data)
    # tar itself knows the GNU way of sparse files, in three versions.
    holes = where / "holes"
    with open(holes, "wb") as file:
        file.seek(1 << 20)
        file.write(b"middle")
        file.truncate(3 << 20)
    for form, version in ("gnu", None), ("pax", "0.1"), ("pax", "1.0"):
        subprocess.run(["tar", "-C", where, f"--format={form}", "-Scf",
                        where / f"sparse-{form}{version or ''}.tar",
                        *([f"--sparse-version={version}"] if version else []),
                        "holes"], check=True)


if __name__ == "__main__":
    main()
