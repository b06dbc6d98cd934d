#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Drive the emulated test machine: power, a root shell, files.

A Machine is a QEMU process on a copy-on-write overlay of an image that
make-image made. COM1 (GRUB, Xen, kernels) goes to a log; COM2 is a root shell
of dom0, or of plain Linux. /host in the machine is a directory of the host.

    with Machine(Path("build/vm/image"), Path("build/vm/run")) as machine:
        machine.start()
        machine.wait_shell()
        status, output = machine.sh("uname -r")

Each boot gets a new QEMU: one that has run a kernel keeps its translated code,
and all that the next kernel writes over it costs time; Xen boots half as fast.
As on many a real machine, memory survives a reset, though not a power cut; the
last GiB of it lies beyond what GRUB and the firmware use.
One processor: with two, QEMU 7.2 now and then goes on with its old translation of
what a kernel has patched since (a jump label, under the other processor), and
both trap there for ever. It takes a fifth longer.
No QEMU outlives the Python process that started it, however that one ends.
Times under emulation vary a lot: give limits of five times what is usual.
"""

from __future__ import annotations

import argparse
import atexit
import codecs
import json
import re
import secrets
import select
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

BOOT_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# A serial line may lose what nobody reads yet: long commands go through /host.
SERIAL_COMMAND_MAX = 1500
XEN = "xen-gnulinux-simple-$(findmnt -no UUID /)"


class MachineError(Exception):
    """The machine did not do what was asked within its time."""


class ShellLost(MachineError):
    """No shell answers, or not any more: a boot, a reboot, a crash, a power cut."""


class Machine:
    """One emulated machine; see the module's description.

    image_dir: what make-image made; never written, and not to be made anew
        as long as a state_dir holds changes to it
    state_dir: the overlay disk, com1.log, com2.log, share/ (/host inside)
    """

    def __init__(
        self,
        image_dir: Path,
        state_dir: Path,
        *,
        memory_mb: int = 3072,
        cpus: int = 1,
        share_dir: Path | None = None,
    ) -> None:
        self.image = (image_dir / "dom0.img").resolve()
        self.state_dir = state_dir.resolve()
        self.share_dir = (share_dir or self.state_dir / "share").resolve()
        self.console_log = self.state_dir / "com1.log"
        self.boot_id = ""
        self._memory_mb = memory_mb
        self._cpus = cpus
        self._qemu: subprocess.Popen[bytes] | None = None
        self._power, self._on = threading.Lock(), False  # it guards _on and _qemu
        self._shell: socket.socket | None = None
        self._unread = ""
        # A character may be cut in two by a read.
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        # The path of a socket has at most 107 bytes.
        self._run_dir = Path(tempfile.mkdtemp(prefix="xentest-vm-"))
        self._memory = Path("/dev/shm") / self._run_dir.name
        atexit.register(self.stop)

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # Power

    def start(self, *, fresh: bool = False) -> None:
        """Switch on. fresh: with the image's disk, not what is left of a run."""
        if self._qemu is not None:
            raise MachineError("the machine is on already")
        self.state_dir.mkdir(parents=True, exist_ok=True)
        self.share_dir.mkdir(parents=True, exist_ok=True)
        self._run_dir.mkdir(mode=0o700, exist_ok=True)
        self._make_overlay(fresh)
        self._memory.unlink(missing_ok=True)
        self._on = True
        self._spawn()
        threading.Thread(target=self._restart_on_reboot, daemon=True).start()
        self._shell = self._connect("com2")
        self._unread = ""
        self.boot_id = ""

    def stop(self) -> None:
        """Pull the plug, for good. Does nothing on a machine that is off."""
        self._kill()
        shutil.rmtree(self._run_dir, ignore_errors=True)
        self._memory.unlink(missing_ok=True)

    def power_cut(self) -> None:
        """Pull the plug and switch on again, on the same disk.

        What the machine had synced is there, what it held in memory is lost.
        """
        self._kill()
        self.start()

    def reboot(self, entry: str | None = None, *, timeout: float = 600) -> str:
        """Reboot in an orderly way, once into the GRUB entry. Returns the boot id.

        entry: an id or title for grub-reboot, in double quotes for a shell, so
        that XEN works: Debian's own entry for the newest hypervisor.
        """
        old = self.boot_id or self.wait_shell(timeout=timeout)
        if entry is not None:
            self.check(f'grub-reboot "{entry}" && sync', timeout=120)
        # Later than the answer to this command, which would be lost otherwise.
        self.check("(sleep 1; systemctl reboot) &", timeout=120)
        return self.wait_shell(timeout=timeout, after=old)

    # The shell

    def wait_shell(self, timeout: float = 600, *, after: str | None = None) -> str:
        """Wait until a shell answers, and return the id of its boot.

        It answers before the network and Xen's tools are up: see settle().
        after: the id of a boot that is to be over; its shell does not count
        """
        deadline = time.monotonic() + timeout
        while True:
            token = secrets.token_hex(8)
            self._send(f"\necho {token} $(cat /proc/sys/kernel/random/boot_id)\n")
            wait_s = min(3.0, deadline - time.monotonic())
            found = self._expect(re.compile(rf"{token} ({BOOT_ID})"), wait_s)
            if found is not None and found[1] != after:
                self.boot_id = found[1]
                return self.boot_id
            if time.monotonic() >= deadline:
                raise ShellLost(
                    f"no shell within {timeout:.0f} s; see {self.console_log}"
                )

    def sh(self, command: str, timeout: float = 300) -> tuple[int, str]:
        """Run a bash command; returns its exit status, and its output and errors.

        After timeout seconds it is ended: status 124. ShellLost: it did not end
        because the machine went down under it.
        """
        if len(command) > SERIAL_COMMAND_MAX:
            name = self._share_file(command.encode()).name
            command = f"trap 'rm /host/{name}' EXIT; . /host/{name}"
        token = secrets.token_hex(8)
        output = self.share_dir / f"output-{token}"  # the serial line is slow
        self._send(
            f"\ntimeout -k 10 {timeout:g} bash -c {shlex.quote(command)} "
            f"</dev/null >/host/{output.name} 2>&1; "
            f'echo "<end-{token} $?>"\n'
        )
        shell = self._shell
        end = re.compile(rf"<end-{token} (?P<status>\d+)>")
        found = self._expect(end, timeout + 60, of=shell)
        if found is None:
            raise ShellLost(f"no answer within {timeout + 60:.0f} s: {command}")
        if not output.exists():
            raise ShellLost(f"/host is not there under: {command}")
        said = output.read_text(errors="replace")
        output.unlink()
        return int(found["status"]), said

    def check(self, command: str, timeout: float = 300) -> str:
        """Run a command that must succeed; returns its output."""
        status, output = self.sh(command, timeout)
        if status != 0:
            raise MachineError(f"exit status {status}: {command}\n{output}")
        return output

    def wait_for(self, command: str, timeout: float = 600, interval: float = 2) -> str:
        """Repeat a command until it succeeds, across reboots; returns its output."""
        deadline = time.monotonic() + timeout
        output = ""
        while time.monotonic() < deadline:
            try:
                status, output = self.sh(command, timeout=60)
                if status == 0:
                    return output
            except ShellLost:
                self.wait_shell(timeout=max(1.0, deadline - time.monotonic()))
            time.sleep(interval)
        raise MachineError(f"not true within {timeout:.0f} s: {command}\n{output}")

    def last_words(self, lines: int = 40) -> str:
        """The end of what its consoles and QEMU said: for who cannot go and look."""
        ends = []
        for name in ("com1.log", "com2.log", "qemu.log"):
            path = self.state_dir / name
            if path.exists():
                text = path.read_bytes()[-32768:].decode(errors="replace")
                ends += [f"the end of {name}:", *text.splitlines()[-lines:]]
        return "\n".join(ends)

    def settle(self, timeout: float = 600) -> None:
        """Wait until systemd has started all that belongs to the boot."""
        self.sh("systemctl is-system-running --wait", timeout)

    def qmp(self, command: str, **arguments: object) -> None:
        """A command of QEMU's own, as a person acts on the machine: inject-nmi."""
        with self._connect("qmp") as connection, connection.makefile("rw") as qmp:
            for execute, values in ("qmp_capabilities", {}), (command, arguments):
                print(json.dumps({"execute": execute, "arguments": values}), file=qmp)
                qmp.flush()
                while "return" not in (answer := json.loads(qmp.readline())):
                    if "error" in answer:
                        raise MachineError(f"QEMU: {command}: {answer['error']}")

    def type_console(self, keys: bytes) -> None:
        """Type on COM1: three times CTRL-a switches between Xen and dom0."""
        with self._connect("com1") as console:
            console.sendall(keys)

    # Files

    def put(self, path: str, content: bytes, *, mode: int = 0o644) -> None:
        """Write a file in the machine, whole or not at all, and durably."""
        shared = self._share_file(content)
        target, new = shlex.quote(path), shlex.quote(path + ".put")
        self.check(
            f"install -D -m {mode:o} /host/{shared.name} {new} && "
            f'sync {new} && mv {new} {target} && sync "$(dirname {target})"'
        )
        shared.unlink()

    def get(self, path: str) -> bytes:
        """Read a file of the machine."""
        shared = self._share_file(b"")
        self.check(f"cat {shlex.quote(path)} >/host/{shared.name}")
        content = shared.read_bytes()
        shared.unlink()
        return content

    def pull_dir(self, path: str, host_path: Path, *, timeout: float = 600) -> None:
        """Copy a directory of the machine to the host, which has none there yet."""
        name = f"pull-{secrets.token_hex(4)}"
        self.check(f"cp -rL {shlex.quote(path)} /host/{name}", timeout)
        host_path.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(self.share_dir / name, host_path)

    def push_dir(self, host_path: Path, path: str, *, timeout: float = 600) -> None:
        """Copy the content of a directory of the host into one of the machine."""
        name = f"push-{secrets.token_hex(4)}"
        shutil.copytree(host_path, self.share_dir / name, symlinks=True)
        target = shlex.quote(path)
        self.check(f"mkdir -p {target} && cp -r /host/{name}/. {target}", timeout)
        shutil.rmtree(self.share_dir / name)

    def _share_file(self, content: bytes) -> Path:
        path = self.share_dir / f"file-{secrets.token_hex(4)}"
        path.write_bytes(content)
        return path

    # QEMU

    def _make_overlay(self, fresh: bool) -> None:
        overlay = self.state_dir / "disk.qcow2"
        if overlay.exists() and not fresh:
            return
        overlay.unlink(missing_ok=True)
        command = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw"]
        subprocess.run([*command, "-b", self.image, overlay], check=True)

    def _command(self) -> list[str]:
        def serial(name: str) -> list[str]:
            log = self.state_dir / f"{name}.log"
            path = self._run_dir / name
            socket_ = f"socket,id={name},path={path},server=on,wait=off"
            chardev = f"{socket_},logfile={log},logappend=on"
            return ["-chardev", chardev, "-serial", f"chardev:{name}"]

        # The kernel ends QEMU together with the process that started it.
        command = ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64"]
        # Nested paging, for PVH guests. Other CPU models crash dom0 under TCG.
        command += ["-machine", "q35,memory-backend=ram", "-cpu", "qemu64,+npt"]
        memory = f"size={self._memory_mb}M,mem-path={self._memory},share=on"
        command += ["-object", f"memory-backend-file,id=ram,{memory}"]
        command += ["-accel", "tcg,thread=multi", "-smp", str(self._cpus)]
        command += ["-m", str(self._memory_mb), "-display", "none", "-nic", "none"]
        # See the module's description: _restart_on_reboot() takes it from there.
        command += ["-action", "reboot=shutdown"]
        command += serial("com1") + serial("com2")
        command += ["-qmp", f"unix:{self._run_dir}/qmp,server=on,wait=off"]
        # The host stays up in a power cut, so nothing need reach its disk.
        disk = f"file={self.state_dir}/disk.qcow2,format=qcow2,cache=unsafe"
        command += ["-drive", f"{disk},if=virtio,discard=unmap"]
        share = f"local,path={self.share_dir},mount_tag=hostshare"
        return [*command, "-virtfs", f"{share},security_model=none"]

    def _spawn(self) -> None:
        with (self.state_dir / "qemu.log").open("ab") as log:
            self._qemu = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _restart_on_reboot(self) -> None:
        """A thread: QEMU ends when the machine resets, and is started again.

        So it does when the machine powers off, which nothing here asks it to.
        """
        while (qemu := self._qemu) is not None:
            status = qemu.wait()
            with self._power:
                if not self._on or self._qemu is not qemu or status != 0:
                    return
                self._spawn()

    def _connect(self, name: str) -> socket.socket:
        for _ in range(300):
            self._must_run()
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(str(self._run_dir / name))
                return connection
            except OSError:
                connection.close()
                time.sleep(0.1)
        raise MachineError(f"QEMU opens no {name}; see {self.state_dir}/qemu.log")

    def _must_run(self) -> None:
        if not self._on or self._qemu is None:
            raise MachineError("the machine is off")
        if self._qemu.poll() not in (None, 0):
            raise MachineError(f"QEMU failed; see {self.state_dir}/qemu.log")

    def _kill(self) -> None:
        with self._power:
            self._on = False
            qemu, self._qemu = self._qemu, None
            if qemu is not None:
                qemu.kill()
                qemu.wait()
        if self._shell is not None:
            self._shell.close()
            self._shell = None

    def _send(self, text: str) -> None:
        self._receive(0)
        self._unread = ""
        try:
            assert self._shell is not None
            self._shell.sendall(text.encode())
        except OSError:
            self._reconnect()

    def _reconnect(self) -> None:
        if self._shell is not None:
            self._shell.close()
        self._shell = self._connect("com2")
        self._decoder.reset()

    def _receive(self, timeout: float) -> None:
        """Add what COM2 sends, if anything comes within the time."""
        self._must_run()
        assert self._shell is not None
        while select.select([self._shell], [], [], max(0.0, timeout))[0]:
            timeout = 0
            try:
                data = self._shell.recv(1 << 16)
            except ConnectionError:
                data = b""
            if not data:  # the machine resets
                self._reconnect()
            self._unread += self._decoder.decode(data).replace("\r", "")

    def _expect(
        self,
        wanted: re.Pattern[str],
        timeout: float,
        *,
        of: socket.socket | None = None,
    ) -> re.Match[str] | None:
        """Read COM2 until the pattern is there; None: not within the time.

        of: the connection that it has to come by; with another QEMU it is lost
        """
        deadline = time.monotonic() + timeout
        while True:
            found = wanted.search(self._unread)
            if found is not None:
                self._unread = self._unread[found.end() :]
                return found
            if of is not None and self._shell is not of:
                raise ShellLost("the machine went down under a command")
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._receive(min(left, 5.0))


def main() -> int:
    """Run one command in a machine made for it, and print what it prints."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("verb", choices=["run"])
    parser.add_argument("image_dir", type=Path)
    parser.add_argument("--xen", action="store_true", help="boot Debian's Xen first")
    parser.add_argument("--state", type=Path, help="keep disk and logs here")
    parser.add_argument("--timeout", type=float, default=600)
    parser.add_argument("command", nargs="+", help="after --")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="xentest-state-") as scratch:
        with Machine(options.image_dir, options.state or Path(scratch)) as machine:
            machine.start()
            machine.wait_shell()
            if options.xen:
                machine.reboot(XEN)
            machine.settle()
            status, output = machine.sh(" ".join(options.command), options.timeout)
    sys.stdout.write(output)
    return status


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MachineError as problem:
        sys.exit(f"machine.py: {problem}")
