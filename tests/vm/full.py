# SPDX-License-Identifier: BSD-2-Clause
"""`./check full`: Xen from its real source, by xenbuildd's built-in commands.

Once hypervisor and tools, natively in a chroot of the machine's image, with no
network; once the hypervisor alone, in the machine, which then boots into it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import run
from machine import Machine

HERE = Path(__file__).resolve().parent

Test = Callable[[str], AbstractContextManager[None]]
Tell = Callable[[run.Status | None], None]
Examine = Callable[[Machine, run.Status, Path], None]

# What `make -C xen` needs and the image lacks, and what the tools need.
HYPERVISOR_PACKAGES = "flex bison"
TOOLS_PACKAGES = (
    "pkg-config python3-dev uuid-dev libncurses-dev libyajl-dev zlib1g-dev "
    "acpica-tools"
)
INSTALL = "apt-get -q -y --no-install-recommends install"

WHOLE_TREE = """\
[Preferences]
xen-tree = whole
shared_dir = /xentest/shared
boot_method = none
[Locations]
whole = file:///host/xen-whole.tar.xz
[XENVM0]
name = whole
tempdir = /var/tmp/xentest
test1 = nothing
[nothing]
run_command = true
"""

# One build must not keep the machine from answering.
NICE = b"[Service]\nNice=10\n"


class Chroot:
    """The root of the machine's image, for native commands: full-chroot."""

    def __init__(self, image: Path, work: Path) -> None:
        self.share = work / "share"
        self.share.mkdir(parents=True)
        self._image, self._work = image, work

    def check(self, command: str, *, offline: bool = False) -> str:
        """Run a command that must succeed; returns its output and errors."""
        options = ["--offline"] if offline else []
        done = subprocess.run(
            [HERE / "full-chroot", *options, self._image, self._work, command],
            text=True,
            errors="replace",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-6000:]}"
        return done.stdout

    def remove(self) -> None:
        """Gigabytes; what is to be looked at was copied to share."""
        (self._work / "dom0.img").unlink()


def fetch(chroot: Chroot) -> Path:
    """The source, and the packages that the machine lacks, to the share."""
    found = subprocess.run(
        [HERE / "full-source"], check=False, text=True, stdout=subprocess.PIPE
    )
    assert found.returncode == 0, "full-source failed"
    source = Path(found.stdout.strip())
    shutil.copy(source / "xen-whole.tar.xz", chroot.share)
    chroot.check(
        f"apt-get -q update && {INSTALL} --download-only {HYPERVISOR_PACKAGES} && "
        "mkdir /host/debs && cp /var/cache/apt/archives/*.deb /host/debs/"
    )
    return source


def build_whole_tree(chroot: Chroot) -> None:
    """xenbuildd, with a control file that leaves its commands to it."""
    chroot.check(f"{INSTALL} {HYPERVISOR_PACKAGES} {TOOLS_PACKAGES}")
    (chroot.share / "whole.conf").write_text(WHOLE_TREE)
    chroot.check(
        "trap 'cp -r /var/lib/xentest/runs /host/' EXIT; "
        'test "$(grep -c : /proc/net/dev)" = 1 && ' # a loopback that is down
        "nice xenbuildd --no-reboot /host/whole.conf",
        offline=True,
    )


def whole_tree_is_installed(chroot: Chroot) -> None:
    """A hypervisor with a build id, and tools that find their libraries."""
    (run_dir,) = (chroot.share / "runs").iterdir()
    tag = "xt" + run_dir.name.rsplit("-", 1)[1]
    output = chroot.check(
        f"gzip -t /boot/xen-*-{tag}.gz && ls -l /boot && "
        f"readelf -n /usr/lib/debug/xen-syms-*-{tag} && "
        "ldd /usr/local/sbin/xl && find /usr/local -type f -perm -u+x && "
        "ls /usr/local/lib/systemd/system /usr/local/lib/xen/boot"
    )
    (chroot.share / "installed.txt").write_text(output)
    build_id = output.split("Build ID: ")[1].split()[0]
    assert build_id in (run_dir / "record.jsonl").read_text(), output
    assert "/usr/local/lib/libxenlight.so" in output, output
    assert "not found" not in output, output
    for name in ("/xenstored\n", "xenstored.service\n", "hvmloader\n"):
        assert name in output, (name, output)


def real_hypervisor(
    machine: Machine, source: Path, debs: Path, target: Path, tell: Tell
) -> run.Status:
    """full.conf from drop to rest; returns the last status."""
    machine.push_dir(debs, "/var/tmp/debs")
    machine.check("dpkg -i /var/tmp/debs/*.deb", timeout=1200)
    machine.put("/srv/www/xen-source.tar.xz", source.read_bytes())
    machine.put("/etc/systemd/system/xenbuildd.service.d/nice.conf", NICE)
    machine.check("systemctl daemon-reload", timeout=300)
    run.drop(machine, (HERE / "full.conf").read_bytes())
    last = run.follow(machine, tell, timeout=6 * 3600, interval=30)
    run.fetch_results(machine, last["run"], target)
    return last


def run_tests(
    test: Test, image: Path, target: Path, tell: Tell, examine: Examine
) -> None:
    """All of it. examine: the tests of a finished run of conf/demo.conf"""
    target.mkdir(parents=True)
    chroot = Chroot(image, target / "whole")
    source = None
    with test("the real source, and what its build needs, are fetched"):
        source = fetch(chroot)
    if source is None:
        return

    built = False
    with test("hypervisor and tools build and install without a network"):
        build_whole_tree(chroot)
        built = True
    if built:
        with test("the hypervisor has a build id, the tools find their libraries"):
            whole_tree_is_installed(chroot)
    chroot.remove()

    with Machine(image, target / "machine") as machine:
        machine.start(fresh=True)
        machine.wait_shell(timeout=900)
        last: run.Status = {}
        with test("a hypervisor built in the machine leads to a finished run"):
            archive, debs = source / "xen-source.tar.xz", chroot.share / "debs"
            last = real_hypervisor(machine, archive, debs, target / "run", tell)
        if last:
            examine(machine, last, target / "run")
