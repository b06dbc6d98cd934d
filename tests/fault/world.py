# SPDX-License-Identifier: BSD-2-Clause
"""A machine for whole runs: the real daemons, a fake Xen and guest, and a disk
of which every call is traced. It boots, restarts daemons as their units say,
and comes to rest.

A world is a folder:
  disk/root      dom0's root; disk/guest1: that of the guest; disk/share
  disk/temp      tempdir of dom0; disk/guest1/temp: of the guest
  runs           a line of each test that runs; on no disk that can be lost
  xen/           the fake Xen; trace, shared: of shim.c; bin/: fake tools
Daemons are started in it, and know it as /proc/self/cwd: the same control file
and records do for every world.
"""
from __future__ import annotations

import mmap
import os
import selectors
import shutil
import signal
import socket
import struct
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "daemon/fake-xen"))
from disk import RESIZE, SYNCFS, TRACE, WRITE, Call, read_trace  # noqa: E402
from fakexen import Client, Server  # noqa: E402

HOST, GUEST = "dom0", "guest1"
NOBODY, BUILD, START, TESTS0, TESTS1 = range(5)  # roles, for shim.h
ROLES = ["", "xenbuildd", "xenstartdomsd", f"xenruntestsd-{HOST}", f"xenruntestsd-{GUEST}"]
NO_FAULT, KILL, TEAR, ONCE, FOREVER = range(5)
SHARED = struct.Struct("<6I8IQQ256s")
HURRY = 5  # where daemons wait for a disk to come back
BOOTS_MAX = 8  # of the machine, in one run; the marker allows fewer
QUIET_S = 30  # nothing happens for so long, and it hangs
FOREVER_S = 0.4  # how long a fault "for ever" lasts

# An ELF32 with one note, the build id: what the build "compiles".
BUILD_ID = b"BUILD-ID"
NOTE = struct.pack("<III4s", 4, len(BUILD_ID), 3, b"GNU\0") + BUILD_ID
IMAGE = (struct.pack("<16sHHIIIIIHHHHHH", b"\x7fELF\x01\x01\x01", 2, 3, 1, 0x200000, 52, 0, 0, 52, 32, 1, 0, 0, 0)
         + struct.pack("<8I", 4, 84, 0, 0, len(NOTE), len(NOTE), 4, 4) + NOTE)

SAYS = 'echo "$XENTEST_DOMAIN $XENTEST_TEST $XENTEST_ITERATION" >>"$FAKE_RUNS"'
PLAN = {HOST: ["collects", "repeats"], GUEST: ["first", "second"]}
TIMES = {"repeats": 2}

CONTROL = f"""\
[Preferences]
xen-tree = demo
shared_dir = /proc/self/cwd/disk/share
boot_method = @METHOD@
boot_command = echo xentest >"$FAKE_NEXT"
build_command = @BUILD@
install_command = "$FAKE_BIN"/put image $DESTDIR/boot/xen-4.17.5$XEN_VENDORVERSION.gz
[Locations]
demo = /proc/self/cwd/tree.tar
[XENVM0]
name = {HOST}
tempdir = /proc/self/cwd/disk/temp
test1 = collects
test2 = repeats
[XENVM1]
name = {GUEST}
config = /proc/self/cwd/disk/root/etc/xen/{GUEST}.cfg
tempdir = /proc/self/cwd/disk/{GUEST}/temp
start_timeout = 10m
stop = yes
test1 = first
test2 = second
[collects]
@SOURCE@
run_command = @ASK@{SAYS}; echo one >logs/one
log_dir = logs
[repeats]
run_command = {SAYS}
repeat = 2
[first]
run_command = {SAYS}
[second]
run_command = {SAYS}
"""


def control(method: str = "command", build: str = ":", source: str = "", asks: bool = False) -> str:
    """With GRUB, or with a test that is fetched, it takes twice the time."""
    text = CONTROL.replace("@METHOD@", method).replace("@BUILD@", build)
    if asks:  # what it said before it would say again
        source, ask = "reboots = 1", 'test -n "$XENTEST_REBOOT" || "$FAKE_BIN"/xentest reboot || exit 1; '
    return text.replace("@SOURCE@", source).replace("@ASK@", ask if asks else "")


GRUB_CFG = """\
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
   save_env next_entry
else
   set default="0"
fi
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple' {
	linux	/boot/vmlinuz-6.1.0 root=UUID=1234-abcd ro
	initrd	/boot/initrd.img-6.1.0
}
if [ -f  ${config_directory}/custom.cfg ]; then
  source ${config_directory}/custom.cfg
fi
"""
GRUBENV = "# GRUB Environment Block\nsaved_entry=0\n".ljust(1024, "#").encode()

FILES: dict[str, bytes | str | None] = {  # None: a directory
    f"root/etc/xen/{GUEST}.cfg": f"name = '{GUEST}'\n",
    "root/boot/grub/grub.cfg": GRUB_CFG, "root/boot/grub/grubenv": GRUBENV,
    "root/boot/vmlinuz-6.1.0": "kernel", "root/boot/initrd.img-6.1.0": "initrd",
    "root/proc/sys/kernel/osrelease": "6.1.0\n",
    "root/proc/cmdline": "BOOT_IMAGE=/vmlinuz root=UUID=1234-abcd ro\n",
    "root/var/lib": None, "share": None, "temp": None,
    f"{GUEST}/proc/sys/kernel/osrelease": "6.1.0\n", f"{GUEST}/sys/hypervisor/type": "xen\n",
    f"{GUEST}/sys/hypervisor/uuid": "12345678-0000\n", f"{GUEST}/var/lib": None, f"{GUEST}/temp": None,
}


class Unit:
    """What of a unit decides when its daemon runs."""

    def __init__(self, name: str) -> None:
        self.conditions: list[tuple[bool, bool, str]] = []  # triggering, negated, path
        self.restart, self.burst = "no", 5
        for line in (HERE.parents[1] / f"units/{name}.service.in").read_text().splitlines():
            key, _, value = line.partition("=")
            if key == "ConditionPathExists":
                triggering, value = value[:1] == "|", value.lstrip("|")
                path = value.lstrip("!").replace("@sysconfdir@", "etc").replace("@localstatedir@", "var")
                self.conditions.append((triggering, value[:1] == "!", path))
            elif key == "Restart":
                self.restart = value
            elif key == "StartLimitBurst":
                self.burst = int(value)

    def wants(self, root: Path) -> bool:
        met = [(triggering, (root / path).exists() != negated) for triggering, negated, path in self.conditions]
        some = [good for triggering, good in met if triggering]
        return all(good for triggering, good in met if not triggering) and (not some or any(some))

    def restarts(self, status: int) -> bool:
        return {"no": False, "on-failure": status != 0, "on-abnormal": status < 0}[self.restart]


UNITS = {BUILD: Unit("xenbuildd"), START: Unit("xenstartdomsd"), TESTS0: Unit("xenruntestsd"),
         TESTS1: Unit("xenruntestsd")}


class Hang(Exception):
    """It does not come to rest."""


@dataclass
class Process:
    pid: int
    fd: int  # pidfd
    role: int


@dataclass
class Fault:
    kind: int = NO_FAULT
    role: int = NOBODY
    number: int = 0
    error: int = 0
    mutation: str = ""


class World:
    """For `with`: inside, the current directory is the world."""

    def __init__(self, build: Path, scratch: Path, tree: dict, runs: list[str] = (),
                 fault: Fault = Fault()) -> None:
        self.build, self.scratch, self.directory = build, scratch, scratch / f"world.{os.getpid()}"
        shutil.rmtree(self.directory, ignore_errors=True)
        self.disk = self.directory / "disk"
        self.root = self.disk / "root"
        (self.directory / "xen").mkdir(parents=True)
        self._fill(tree)
        (self.directory / "tree.tar").symlink_to(scratch / "tree.tar")
        (self.directory / "runs").write_text("".join(line + "\n" for line in runs))
        (self.directory / "trace").touch()
        self.fault = fault
        self._share()
        self.boots: list[str] = []
        self.exits: list[tuple[int, int]] = []  # role, status
        self.log = os.memfd_create("log", os.MFD_CLOEXEC)
        self.processes: dict[int, Process] = {}  # by role

    def _fill(self, tree: dict) -> None:
        for path, data in sorted(tree.items()):
            target = self.disk / path.lstrip("/")
            if data is None:
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data.encode() if isinstance(data, str) else data)

    def _share(self) -> None:
        fault = self.fault
        first = SHARED.pack(0, fault.kind, fault.role, fault.number, fault.error, 0, *[0] * 8,
                            self.disk.stat().st_dev, (self.directory / "runs").stat().st_ino,
                            fault.mutation.format(root=self.root).encode())
        (self.directory / "shared").write_bytes(first)
        with (self.directory / "shared").open("r+b") as file:
            self.shared = mmap.mmap(file.fileno(), SHARED.size)

    def __enter__(self) -> World:
        self.back = os.getcwd()
        os.chdir(self.directory)
        return self

    def __exit__(self, *_: object) -> None:
        self.power_off()
        os.chdir(self.back)
        os.close(self.log)
        self.shared.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    # ---- what it left ----

    def said(self) -> str:
        return os.pread(self.log, 1 << 20, 0).decode(errors="replace")

    def runs(self) -> list[str]:
        return (self.directory / "runs").read_text().splitlines()

    def fired(self) -> int:
        return SHARED.unpack(self.shared)[5]

    def counts(self) -> tuple[int, ...]:
        return SHARED.unpack(self.shared)[6:14]

    def calls(self) -> list[Call]:
        return read_trace(self.directory / "trace")

    def has(self, path: str) -> bool:
        return (self.root / path).exists()

    def left(self) -> list[str]:
        """What says that a run is not over."""
        return [path for path in ("etc/xen/xentest.conf", "etc/xen_start_tests", "var/lib/xentest/current")
                if self.has(path)]

    # ---- from power on to rest ----

    def run(self) -> None:
        while True:
            again = self.boot()
            if not again and not self.left():
                return
            if len(self.boots) >= BOOTS_MAX:
                raise Hang(f"after {len(self.boots)} boots there is still {' '.join(self.left())}")

    def boot(self) -> bool:
        """Up, whatever units want to run, down. Answers whether a reboot was
        asked for; if not, somebody has to press the button."""
        xen = self._loads_xen()
        self.boots.append("xen" if xen else "linux")
        Path("boot_id").write_text(f"{uuid.uuid4()}\n")
        shutil.rmtree("xen")
        Path("xen").mkdir()
        self.server = Server(Path("xen"))
        self.domid, self.tty = 0, []
        self._be(xen)
        self.starts = dict.fromkeys(UNITS, 0)
        self.again: list[tuple[float, int]] = []
        self.asked = False
        with socket.socket(socket.AF_UNIX) as self.xl:
            self.xl.bind("xen/xl")
            self.xl.listen(8)
            self.server.selector.register(self.xl, selectors.EVENT_READ, self._on_xl)
            try:
                for role in (BUILD, START, TESTS0):
                    if UNITS[role].wants(self.root):
                        self.start(role)
                self._serve()
                self.shut_down()
            finally:
                self.power_off()
                self.server.close()
                for fd in self.tty:
                    os.close(fd)
        return self.asked

    def _loads_xen(self) -> bool:
        """Is it to be Xen this once, and can that be loaded?"""
        return self._grub() if self.has("boot/grub/custom.cfg") else self._next()

    def _grub(self) -> bool:
        environment = self.root / "boot/grub/grubenv"
        if b"next_entry=xentest" not in environment.read_bytes():
            return False
        with environment.open("r+b") as file:
            file.write(GRUBENV)
        self._trace(WRITE, environment.stat().st_ino, GRUBENV)
        self._trace(SYNCFS, 0)
        words = (self.root / "boot/grub/custom.cfg").read_text().replace("'", "").split()
        image = self.root / "boot" / words[words.index("multiboot2") + 1].rsplit("/", 1)[-1]
        return image.is_file() and image.read_bytes() == IMAGE

    def _next(self) -> bool:
        """boot_method = command: what boot_command says here."""
        file = self.root / "boot/next"
        if not file.exists() or file.read_bytes() != b"xentest\n":
            return False
        file.write_bytes(b"")
        self._trace(RESIZE, file.stat().st_ino)
        self._trace(SYNCFS, 0)
        return any(image.read_bytes() == IMAGE for image in (self.root / "boot").glob("xen-*"))

    def _trace(self, kind: int, ino: int, data: bytes = b"") -> None:
        with open("trace", "ab") as file:
            file.write(TRACE.pack(kind, NOBODY, 0, 0, 0, 0, len(data), ino, 0, 0, 0) + data)

    def _be(self, xen: bool) -> None:
        hypervisor = self.root / "sys/hypervisor"
        shutil.rmtree(self.root / "sys", ignore_errors=True)
        shutil.rmtree(self.root / "proc/xen", ignore_errors=True)
        if xen:
            hypervisor.mkdir(parents=True)
            (hypervisor / "type").write_text("xen\n")
            (self.root / "proc/xen").mkdir()
            (self.root / "proc/xen/capabilities").write_text("control_d\n")
            Path("xen/version").write_text(f"xen=4.17.5\nchangeset=abc\nbuild_id={BUILD_ID.hex()}\ncommand_line=\n")

    # ---- processes ----

    def start(self, role: int) -> None:
        program = {BUILD: "daemons/xenbuildd", START: "tests/daemon/xenstartdomsd-fake"}.get(
            role, "daemons/xenruntestsd")
        root = self.disk / GUEST if role == TESTS1 else self.root
        environment = {
            "PATH": f"{self.scratch}/bin:/usr/bin:/bin", "LC_ALL": "C",
            "LD_PRELOAD": f"{self.build}/tests/fault/shim.so",
            "SHIM_SHARED": f"{self.directory}/shared", "SHIM_TRACE": f"{self.directory}/trace",
            "SHIM_ROLE": str(role), "SHIM_BOOT_ID": f"{self.directory}/boot_id", "SHIM_HURRY": str(HURRY if self.fault.error else 1),
            "SHIM_HOST": GUEST if role == TESTS1 else HOST,
            "SOURCE_HELPER": f"{self.build}/helpers/xentest-source",
            "FAKE_RUNS": f"{self.directory}/runs", "FAKE_BIN": f"{self.scratch}/bin",
            "FAKE_NEXT": f"{self.root}/boot/next", "FAKE_XL": f"{self.directory}/xen/xl",
            "XENTEST_FAKE_XEN": f"{self.directory}/xen",
            "XENSTORED_PATH": f"{self.directory}/xen/socket.{self.domid if role == TESTS1 else 0}",
        }
        arguments = [str(self.build / program), "--root", str(root)]
        os.lseek(self.log, 0, os.SEEK_END)
        pid = os.posix_spawn(arguments[0], arguments, environment, file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, self.log, 1), (os.POSIX_SPAWN_DUP2, self.log, 2)], setpgroup=0)
        process = Process(pid, os.pidfd_open(pid), role)
        self.processes[role] = process
        self.starts[role] += 1
        self.server.selector.register(process.fd, selectors.EVENT_READ, process)

    def _on_exit(self, process: Process) -> None:
        status = os.waitstatus_to_exitcode(os.waitpid(process.pid, 0)[1])
        self.server.selector.unregister(process.fd)
        os.close(process.fd)
        del self.processes[process.role]
        self.exits.append((process.role, status))
        unit = UNITS[process.role]
        if unit.restarts(status) and self.starts[process.role] < unit.burst and not self.going_down:
            self.again.append((time.monotonic() + 0.02, process.role))
        if process.role == TESTS1 and self.leaving:
            self._domain_ends()
        # It may not reboot what lies below --root, but would have.
        if process.role == BUILD and status == 0 and self.has("etc/xen_start_tests") and self.boots[-1] == "linux":
            self.asked = True

    def _is_idle(self) -> bool:
        busy = any(role in self.processes for role in (BUILD, START)) or any(
            role in (BUILD, START) for _, role in self.again)
        return not busy

    def _serve(self) -> None:
        self.going_down = self.leaving = False
        self.quiet_since = time.monotonic()
        while not self._is_idle() and not self.asked:
            self._turn()
            if Path("xen/reboots").exists():
                self.asked = True

    def _turn(self) -> None:
        now = time.monotonic()
        waits = [0.05] if self.fault.kind == FOREVER and self.fault.role else [1.0]
        waits += [max(0.0, when - now) for when, _ in self.again]
        ready = self.server.selector.select(min(waits))
        now = time.monotonic()
        if ready:
            self.quiet_since = now
        elif now - self.quiet_since > QUIET_S:
            raise Hang(f"nothing happened for {QUIET_S} s")
        for key, _ in ready:
            self._dispatch(key)
        for when, role in [due for due in self.again if due[0] <= now]:
            self.again.remove((when, role))
            if role == TESTS1 or UNITS[role].wants(self.root):
                self.start(role)
        self._lift(now)

    def _dispatch(self, key: selectors.SelectorKey) -> None:
        if isinstance(key.data, Client):
            self.server.receive(key.data)
        elif isinstance(key.data, Process):
            self._on_exit(key.data)
        elif callable(key.data):
            key.data()
        else:
            client = Client(key.fileobj.accept()[0], key.data)
            self.server.clients.append(client)
            self.server.selector.register(client.socket, selectors.EVENT_READ, client)

    def _lift(self, now: float) -> None:
        """A fault "for ever" ends when somebody frees the disk."""
        if self.fault.kind != FOREVER or self.fired() == 0:
            return
        if not hasattr(self, "failing_since"):
            self.failing_since = now
        if now - self.failing_since > FOREVER_S or len([status for _, status in self.exits if status != 0]) > 1:
            self.lift()

    def lift(self) -> None:
        self.fault = Fault()
        self.shared[4:8] = struct.pack("<I", NO_FAULT)

    def shut_down(self) -> None:
        """As systemd does: all are asked to end, then everything is synced."""
        self.going_down = True
        self.again.clear()
        for process in self.processes.values():
            os.kill(process.pid, signal.SIGTERM)
        while self.processes:
            self._turn()
        self._trace(SYNCFS, 0)

    def power_off(self) -> None:
        for process in list(self.processes.values()):
            for kill in (os.kill, os.killpg):
                try:
                    kill(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            os.waitpid(process.pid, 0)
            os.close(process.fd)
        self.processes.clear()

    # ---- the hypervisor ----

    def _on_xl(self) -> None:
        connection, _ = self.xl.accept()
        with connection:
            data = b""
            while chunk := connection.recv(4096):
                data += chunk
            words = data.decode().split("\0")[:-1]
            if not words:
                return  # it ended before it could say what it wants
            answer = getattr(self, f"_xl_{words[0]}")(words)
            try:
                connection.sendall(b"\0" + answer.encode())
            except BrokenPipeError:
                pass  # xl goes with the daemon that called it

    def _xl_dmesg(self, _: list[str]) -> str:
        return "(XEN) Xen version 4.17.5 (fake)\n"

    def _xl_create(self, _: list[str]) -> str:
        self.domid += 1
        home = f"/local/domain/{self.domid}"
        master, slave = os.openpty()
        self.tty += [master, slave]
        for key, value in (("domid", str(self.domid)), ("name", GUEST), ("data", ""),
                           ("console/tty", os.ttyname(slave))):
            self.server.put(f"{home}/{key}", value.encode())
        self._domain("paused")
        self.server.listen(self.domid)
        self.server.fire("@introduceDomain")
        return "Parsing config\n"

    def _xl_unpause(self, _: list[str]) -> str:
        self._domain("running")
        os.write(self.tty[-2], b"Linux version 6.1\r\n")
        self.start(TESTS1)
        return ""

    def _xl_shutdown(self, _: list[str]) -> str:
        self.leaving = True
        if TESTS1 in self.processes:
            os.kill(self.processes[TESTS1].pid, signal.SIGTERM)
        else:
            self._domain_ends()
        return "Shutting down\n"

    def _xl_destroy(self, _: list[str]) -> str:
        self.again = [due for due in self.again if due[1] != TESTS1]
        if TESTS1 in self.processes:
            self.leaving = True
            os.kill(self.processes[TESTS1].pid, signal.SIGKILL)
        else:
            self._domain_ends()
        return ""

    def _domain(self, state: str) -> None:
        Path("xen/domains/.new").write_text(state)
        Path("xen/domains/.new").rename(f"xen/domains/{self.domid}")

    def _domain_ends(self) -> None:
        self.leaving = False
        self.again = [due for due in self.again if due[1] != TESTS1]
        Path(f"xen/domains/{self.domid}").unlink(missing_ok=True)
        self.server.remove(f"/local/domain/{self.domid}")
        self.server.fire("@releaseDomain")


def prepare_scratch(build: Path, scratch: Path) -> None:
    """What all worlds share: the tools, and the tree to be built."""
    import io
    import tarfile
    (scratch / "bin").mkdir()
    (scratch / "bin/xentest").symlink_to(build / "cli/xentest")
    for name in ("xl", "grub-reboot", "grub-editenv", "grub-probe", "grub-mkrelpath", "grub-script-check",
                 "journalctl", "put"):
        (scratch / "bin" / name).symlink_to(build / "tests/fault/tools")
    with tarfile.open(scratch / "tree.tar", "w") as archive:
        member = tarfile.TarInfo("tree/image")
        member.size = len(IMAGE)
        archive.addfile(member, io.BytesIO(IMAGE))
