#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""xenbuildd as it is, in a scratch root: from a request to the reboot.

Usage: test-xenbuildd.py PROGRAM [TEST…]

The tree is a tarball whose Makefile makes a "hypervisor" of a few bytes: an
ELF image with a build id that is the run's tag.
"""
from __future__ import annotations

import hashlib
import io
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest
from pathlib import Path

PROGRAM = ""
MARKER = "etc/xen_start_tests"
REQUEST = "etc/xen/xentest.conf"

MAKEFILE = """\
all:
\tsed "s/BUILD-ID/$${XEN_VENDORVERSION#-xt}/" image | gzip -n >xen.gz
install:
\tmkdir -p $(DESTDIR)/boot
\tcp xen.gz $(DESTDIR)/boot/xen-4.17.5$(XEN_VENDORVERSION).gz
\tln -sf xen-4.17.5$(XEN_VENDORVERSION).gz $(DESTDIR)/boot/xen.gz
\techo CONFIG >$(DESTDIR)/boot/xen-4.17.5$(XEN_VENDORVERSION).config
"""


def elf(build_id: bytes) -> bytes:
    """An ELF32 with one PT_NOTE, as Xen's mkelf32 makes it; no id, no note."""
    note = struct.pack("<III4s", 4, len(build_id), 3, b"GNU") + build_id if build_id else b""
    header = struct.pack("<16sHHIIIIIHHHHHH", b"\x7fELF\x01\x01\x01", 2, 3, 1, 0x200000, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    return header + struct.pack("<8I", 4, 84, 0, 0, len(note), len(note), 4, 4) + note


def tarball(files: dict[str, bytes]) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"xen-tree/{name}")
            member.size = len(content)
            member.mode = 0o755 if name == "configure" else 0o644
            archive.addfile(member, io.BytesIO(content))
    return output.getvalue()


def wait_until(what: str, condition, limit_s: float = 60.0):
    """Polls: a test has no event loop of its own."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {limit_s:.0f} s")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Machine:
    """A scratch root, a tree to build, and a command that "boots"."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root = directory / "root"
        self.root.mkdir()
        (directory / "share").mkdir()
        self.armed = directory / "armed"
        self.tree = directory / "tree.tar.gz"
        self.keys = {
            "xen-tree": "demo", "shared_dir": directory / "share", "boot_method": "command",
            "boot_command": f"env | grep ^XENTEST | sort >{self.armed}",
        }
        self.location = ""
        self.make_tree({})

    def make_tree(self, files: dict[str, bytes]) -> None:
        self.tree.write_bytes(tarball({"Makefile": MAKEFILE.encode(), "image": elf(b"BUILD-ID")} | files))

    def put(self, path: str, text: str | bytes) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else text.encode())

    def control(self, **keys: object) -> str:
        lines = [f"{key} = {value}" for key, value in (self.keys | keys).items()]
        return "\n".join(["[Preferences]", *lines, "[Locations]", f"demo = {self.tree}", self.location,
                          "[XENVM0]", "name = dom0", "tempdir = /tmp", "test1 = LTP",
                          "[LTP]", "run_command = true", ""])

    def request(self, **keys: object) -> None:
        self.put(REQUEST, self.control(**keys))

    def start(self, *arguments: str) -> subprocess.Popen:
        leave = {"NOTIFY_SOCKET", "JOURNAL_STREAM", "WATCHDOG_USEC", "MAKEFLAGS", "MAKELEVEL"}
        return subprocess.Popen([PROGRAM, "--root", str(self.root), *arguments], text=True,
                                env={k: v for k, v in os.environ.items() if k not in leave},
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def run(self, *arguments: str) -> tuple[int, str]:
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=120)
        return process.returncode, output

    def has(self, path: str) -> bool:
        return (self.root / path).exists()

    def current(self) -> str:
        path = self.root / "var/lib/xentest/current"
        return path.read_text().strip() if path.exists() else ""

    def run_dir(self) -> Path:
        runs = sorted((self.root / "var/lib/xentest/runs").iterdir())
        assert len(runs) == 1, runs
        return runs[0]

    def events(self, name: str) -> list[dict]:
        lines = (self.run_dir() / "record.jsonl").read_text().splitlines()
        return [event for event in map(json.loads, lines) if event["event"] == name]

    def stages(self) -> list[str]:
        return [f"{event['stage']} {event['state']}" for event in self.events("stage") if event["state"] != "started"]

    def end(self) -> tuple[str, str]:
        (event,) = self.events("end")
        return event["result"], event["message"]

    def marker(self) -> dict[str, str]:
        lines = (self.root / MARKER).read_text().splitlines()
        return dict(re.split(" = ?", line, maxsplit=1) for line in lines if not line.startswith("#"))


class Test(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory(prefix="test-xenbuildd-")
        self.addCleanup(scratch.cleanup)
        self.machine = Machine(Path(scratch.name))

    def start(self, *arguments: str) -> subprocess.Popen:
        process = self.machine.start(*arguments)
        self.addCleanup(lambda: (process.kill(), process.communicate()))
        return process

    def building(self) -> subprocess.Popen:
        """A xenbuildd in the middle of a build that never ends."""
        pid_file = self.machine.directory / "pid"
        self.machine.request(build_command=f"echo $$ >{pid_file}.new; mv {pid_file}.new {pid_file}; exec sleep 1000")
        process = self.start()
        wait_until("the build", pid_file.exists)
        self.build_pid = int(pid_file.read_text())
        self.addCleanup(lambda: alive(self.build_pid) and os.kill(self.build_pid, signal.SIGKILL))
        return process

    def failed(self, stage: str, sentence: str, exit_status: int = 1) -> str:
        """The run ended there, and the machine is as it was."""
        status, output = self.machine.run()
        self.assertEqual(status, exit_status, output)
        result, message = self.machine.end()
        self.assertEqual(result, "failed")
        self.assertTrue(message.startswith(f"{stage}: "), message)
        self.assertIn(sentence, message)
        self.assertIn(sentence, output)
        self.assertEqual(self.machine.stages()[-1], f"{stage} failed")
        self.assertFalse(self.machine.has(MARKER))
        self.assertFalse(self.machine.has(REQUEST))
        self.assertEqual(self.machine.current(), "")
        self.assertTrue((self.machine.run_dir() / "summary.txt").exists())
        return output

    # ---- the good way ----------------------------------------------------

    def test_a_run_may_take_the_boots_that_dom0s_tests_ask_for(self) -> None:
        m = self.machine
        more = f"reboots = 2\nrepeat = 3\n[XENVM1]\nname = {socket.gethostname()}\ntempdir = /tmp\ntest1 = LTP\n"
        m.put(REQUEST, m.control() + more)
        status, output = m.run()
        self.assertEqual(status, 0, output)
        self.assertEqual(m.marker()["boots_left"], str(3 + 2 + 2 * 3), "to spare, a test each, asked for here alone")

    def test_a_request_becomes_a_xen_to_be_booted_once(self) -> None:
        m = self.machine
        m.request()
        status, output = m.run()
        self.assertEqual(status, 0, output)
        run = m.current()
        tag = run.rsplit("-", 1)[1]
        self.assertEqual(m.stages(), ["check ok", "fetch ok", "build ok", "install ok", "boot ok", "reboot ok"])
        marker = m.marker()
        self.assertEqual(marker["run"], run)
        self.assertEqual(marker["stage"], "boot")
        self.assertEqual(marker["build_id"], tag.encode().hex())
        self.assertEqual(marker["boot_id"], Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        self.assertEqual(marker["boot_timeout"], "1200")
        self.assertEqual(m.armed.read_text(), f"XENTEST_MARK=xentest-{run}-{marker['boots_left']}\nXENTEST_RUN={run}\nXENTEST_XEN=/boot/xen-4.17.5-xt{tag}.gz\n")
        (armed,) = m.events("armed")
        self.assertEqual(armed["hypervisor"], f"/boot/xen-4.17.5-xt{tag}.gz")
        self.assertEqual(armed["build_id"], tag.encode().hex())
        self.assertTrue(m.has(REQUEST))
        self.assertEqual((m.run_dir() / "control.conf").read_bytes(), (m.root / REQUEST).read_bytes())
        self.assertFalse(m.has("var/lib/xentest/work"))
        self.assertIn("reboot when it suits you", output)
        self.assertIn("gzip", (m.run_dir() / "build.log").read_text())

    def test_what_was_fetched_and_installed_stands_in_the_record(self) -> None:
        m = self.machine
        m.request()
        m.run()
        said = {e["stage"]: e.get("message") for e in m.events("stage") if e["state"] == "ok"}
        self.assertEqual(said["fetch"], "SHA-256 " + hashlib.sha256(m.tree.read_bytes()).hexdigest())
        self.assertRegex(said["install"], r"^xen-4\.17\.5-xt[0-9a-f]{8}\.gz, build id [0-9a-f]{16}$")

    def test_two_builds_of_one_tree_can_be_told_apart(self) -> None:
        m = self.machine
        seen = set()
        for _ in range(2):
            m.request()
            self.assertEqual(m.run()[0], 0)
            seen.add(m.marker()["build_id"])
            (m.root / MARKER).unlink()
            (m.root / "var/lib/xentest/current").unlink()
        self.assertEqual(len(seen), 2)

    def test_the_commands_of_the_control_file_are_used(self) -> None:
        m = self.machine
        out = m.directory / "environment"
        m.request(build_command="true", jobs=3, environment="FLAVOUR=sour",
                  install_command=f"env >{out}; gzip -n -c image >$DESTDIR/boot/xen-own.gz")
        status, output = m.run()
        self.assertEqual(status, 0, output)
        environment = out.read_text().splitlines()
        for line in ("MAKEFLAGS=-j3", "FLAVOUR=sour", "LC_ALL=C", f"XENTEST_RUN={m.current()}"):
            self.assertIn(line, environment)
        self.assertRegex(out.read_text(), r"(?m)^PATH=.*/usr/sbin")
        self.assertEqual(m.marker()["build_id"], b"BUILD-ID".hex())

    def test_without_a_tree_the_xen_that_is_there_is_booted(self) -> None:
        m = self.machine
        m.put("boot/xen-4.17-amd64.gz", elf(b"there it"))
        m.request(**{"xen-tree": "none"})
        status, output = m.run()
        self.assertEqual(status, 0, output)
        self.assertEqual(m.stages(), ["check ok", "fetch skipped", "build skipped", "install skipped", "boot ok",
                                      "reboot ok"])
        self.assertEqual(m.marker()["build_id"], b"there it".hex())
        self.assertIn("XENTEST_XEN=/boot/xen-4.17-amd64.gz", m.armed.read_text())

    def test_with_boot_method_none_the_user_boots(self) -> None:
        m = self.machine
        m.put("boot/xen-4.17-amd64.gz", elf(b"there it"))
        m.request(**{"xen-tree": "none", "boot_method": "none"})
        status, output = m.run()
        self.assertEqual(status, 0, output)
        self.assertFalse(m.armed.exists())
        self.assertTrue(m.has(MARKER))

    def test_on_failure_stay_and_limits_reach_the_marker(self) -> None:
        m = self.machine
        m.request(on_failure="stay", boot_timeout="none")
        self.assertEqual(m.run()[0], 0)
        self.assertEqual(m.marker()["on_failure"], "stay")
        self.assertEqual(m.marker()["boot_timeout"], "none")

    def test_the_work_may_lie_behind_a_link(self) -> None:
        m = self.machine
        (m.directory / "roomy").mkdir()
        (m.root / "space").symlink_to(m.directory / "roomy")
        m.request(workdir="/space")
        status, output = m.run()
        self.assertEqual(status, 0, output)
        self.assertTrue((m.directory / "roomy/cache").is_dir())

    # ---- the built-in commands -------------------------------------------

    def test_a_whole_tree_is_configured_and_downloads_nothing(self) -> None:
        m = self.machine
        make = "".join(f"{goal}:\n\techo making {goal} $(GIT) $(FETCHER)\n" for goal in (
            "build-xen", "build-tools", "install-tools"))
        make += "install-xen:\n\tmkdir -p $(DESTDIR)/boot\n\tcp image $(DESTDIR)/boot/xen-whole\n"
        m.make_tree({"Makefile": make.encode(), "configure": b"#!/bin/sh\necho configured with $*\n",
                     "xen/Makefile": b""})
        m.request()
        status, output = m.run()
        self.assertEqual(status, 0, output)
        built = (m.run_dir() / "build.log").read_text()
        self.assertRegex(built, r"configured with .*--disable-stubdom .*--with-system-qemu "
                         r"(--disable-seabios|--with-system-seabios=/\S+)\n")
        for goal in ("build-xen", "build-tools"):
            self.assertIn(f"\nmaking {goal} false false\n", built)
        self.assertIn("making install-tools false false\n", (m.run_dir() / "install.log").read_text())

    def test_a_configure_that_fails_ends_the_build(self) -> None:
        self.machine.make_tree({"configure": b"#!/bin/sh\necho Unable to find iasl\nexit 1\n"})
        self.machine.request()
        output = self.failed("build", "exit status 1")
        self.assertIn("  Unable to find iasl\n", output)

    def test_a_hypervisor_alone_is_built_with_its_configuration(self) -> None:
        m = self.machine
        make = ("olddefconfig:\n\tcp .config configured\n"
                "all: configured\n\tgrep -q CONFIG_DEBUG=y configured\n\ttouch built\n"
                "install: built\n\tmkdir -p $(DESTDIR)/boot\n\tcp image $(DESTDIR)/boot/xen-alone\n"
                ".DEFAULT_GOAL = all\n")
        m.tree.write_bytes(tarball({"xen/Makefile": make.encode(), "xen/.config": b"CONFIG_DEBUG=y\n",
                                    "xen/Kconfig": b"", "xen/image": elf(b"BUILD-ID")}))
        m.request()
        status, output = m.run()
        self.assertEqual(status, 0, output)
        self.assertEqual(m.events("armed")[0]["hypervisor"], "/boot/xen-alone")

    # ---- nothing to do ---------------------------------------------------

    def test_without_a_request_nothing_happens(self) -> None:
        status, output = self.machine.run()
        self.assertEqual(status, 0)
        self.assertIn("No request: nothing to do", output)

    def test_a_request_waits_while_a_run_goes_on(self) -> None:
        m = self.machine
        m.request()
        self.assertEqual(m.run()[0], 0)
        record = (m.run_dir() / "record.jsonl").read_bytes()
        m.put(REQUEST, "another one")
        status, output = m.run()
        self.assertEqual(status, 0, output)
        self.assertIn("the request waits for its end", output)
        self.assertEqual((m.root / REQUEST).read_text(), "another one")
        self.assertEqual((m.run_dir() / "record.jsonl").read_bytes(), record)

    def test_a_marker_that_makes_no_sense_stops_everything(self) -> None:
        m = self.machine
        m.request()
        m.put(MARKER, "run = x\nsta")
        status, output = m.run()
        self.assertEqual(status, 1)
        self.assertIn("/etc/xen_start_tests makes no sense (remove it to give its run up)", output)
        self.assertTrue(m.has(REQUEST))
        self.assertFalse(m.has("var/lib/xentest/runs"))

    # ---- a bad request ---------------------------------------------------

    def rejected(self, *messages: str) -> None:
        m = self.machine
        status, output = m.run()
        self.assertEqual(status, 1, output)
        self.assertFalse(m.has(REQUEST))
        self.assertTrue(m.has(REQUEST + ".rejected"))
        log = (m.root / (REQUEST + ".rejected.log")).read_text()
        for message in messages:
            self.assertIn(message, log)
            self.assertIn(message, output)
        self.assertFalse(m.has("var/lib/xentest/runs"))

    def test_a_bad_control_file_is_moved_away_with_its_messages(self) -> None:
        self.machine.request(**{"xen-tree": "xen-unstabel", "boot_method": "magic"})
        text = (self.machine.root / REQUEST).read_text()
        self.rejected("/etc/xen/xentest.conf:2: error: ", '"xen-unstabel"', '"magic"')
        self.assertEqual((self.machine.root / (REQUEST + ".rejected")).read_text(), text)

    def test_a_request_too_large_to_read_is_moved_away(self) -> None:
        self.machine.put(REQUEST, b"#" * (1024 * 1024 + 1))
        self.rejected("/etc/xen/xentest.conf:1: error: ", "larger than")

    def test_a_request_that_is_a_directory_is_moved_away(self) -> None:
        (self.machine.root / REQUEST).mkdir(parents=True)
        self.rejected("is a directory")

    # ---- a stage that fails ----------------------------------------------

    def test_a_failing_build_ends_the_run_with_its_last_lines(self) -> None:
        self.machine.request(build_command="for i in 1 2 3 4; do echo line $i; done; echo no such header; exit 7")
        output = self.failed("build", "exit status 7")
        self.assertIn("  no such header\n", output)
        self.assertFalse(self.machine.armed.exists())

    def test_a_build_that_takes_too_long_is_ended_with_all_it_started(self) -> None:
        m = self.machine
        pid_file = m.directory / "pid"
        m.request(build_timeout="1s", build_command=f"setsid sh -c 'echo $$ >{pid_file}; exec sleep 1000' & sleep 1000")
        self.failed("build", "timed out")
        self.assertFalse(alive(int(pid_file.read_text())))

    def test_a_wrong_digest_unpacks_nothing(self) -> None:
        self.machine.location = "demo.sha256 = " + "0" * 64
        self.machine.request()
        self.failed("fetch", hashlib.sha256(self.machine.tree.read_bytes()).hexdigest())
        work = self.machine.root / "var/lib/xentest/work"
        self.assertEqual([p for p in work.rglob("Makefile")], [])

    def test_a_tree_that_is_not_there_is_named(self) -> None:
        self.machine.request()
        self.machine.tree.unlink()
        self.failed("fetch", str(self.machine.tree))

    def test_an_install_without_a_hypervisor_is_found(self) -> None:
        self.machine.put("boot/xen-of-old.gz", elf(b"old one!"))
        time.sleep(1.1)  # what is found must be newer, by whole seconds
        self.machine.request(install_command="echo >$DESTDIR/boot/xen-new.config")
        self.failed("install", "put no hypervisor into /boot")

    def test_a_hypervisor_without_a_build_id_could_not_be_proven(self) -> None:
        self.machine.make_tree({"image": elf(b"")})
        self.machine.request()
        self.failed("install", "it has no GNU build id")

    def test_what_cannot_be_booted_is_found_before_anything_is_fetched(self) -> None:
        self.machine.request(boot_method="auto")
        output = self.failed("check", "boot_method = command")
        self.assertNotIn("taken back", output)
        self.assertEqual(self.machine.stages(), ["check failed"])

    def test_a_boot_command_that_fails_leaves_no_marker(self) -> None:
        self.machine.request(boot_command="echo efibootmgr: no space; exit 5")
        output = self.failed("boot", "boot_command: exit status 5")
        self.assertIn("  efibootmgr: no space\n", output)

    def test_without_any_xen_there_is_nothing_to_boot(self) -> None:
        self.machine.put("boot/vmlinuz", "")
        self.machine.request(**{"xen-tree": "none"})
        self.failed("boot", "there is no Xen in /boot")

    # ---- cut off ---------------------------------------------------------

    def goes_on(self) -> None:
        """The run that was cut off is built from the start, and whole."""
        m = self.machine
        run = m.current()
        (m.run_dir() / "control.conf").write_text(m.control())
        m.request()
        status, output = m.run()
        self.assertEqual(status, 0, output)
        self.assertEqual(m.current(), run)
        self.assertIn(f"Run {run} was cut off", output)
        self.assertEqual(m.stages()[-1], "reboot ok")
        self.assertEqual(len(m.events("run")), 1)
        self.assertEqual([e["n"] for e in map(json.loads, (m.run_dir() / "record.jsonl").read_text().splitlines())],
                         list(range(1, len((m.run_dir() / "record.jsonl").read_text().splitlines()) + 1)))
        self.assertTrue(m.has(MARKER))

    def test_a_build_that_was_killed_is_done_again_in_the_same_run(self) -> None:
        process = self.building()
        process.kill()
        process.wait()
        os.kill(self.build_pid, signal.SIGKILL)
        self.goes_on()

    def test_a_stopped_build_leaves_nothing_running_and_goes_on_later(self) -> None:
        process = self.building()
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0, output)
        self.assertIn("the next start of xenbuildd goes on with run", output)
        self.assertFalse(alive(self.build_pid))
        self.assertEqual(self.machine.events("end"), [])
        self.goes_on()

    def test_a_stop_that_kills_the_build_as_well_is_a_stop(self) -> None:
        process = self.building()
        os.kill(process.pid, signal.SIGSTOP)
        os.kill(self.build_pid, signal.SIGKILL)
        os.kill(process.pid, signal.SIGTERM)
        os.kill(process.pid, signal.SIGCONT)
        output, _ = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0, output)
        self.assertEqual(self.machine.events("end"), [])

    def test_a_stop_between_two_stages_is_a_stop(self) -> None:
        m = self.machine
        begun = m.directory / "begun"
        m.request(boot_command=f"echo >{begun}; sleep 1")
        process = self.start()
        wait_until("the boot command", begun.exists)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0, output)
        self.assertEqual(m.stages()[-1], "boot ok")
        self.assertTrue(m.has(MARKER))
        self.assertEqual(m.events("end"), [])

    def test_an_end_that_was_cut_off_is_brought_to_its_end(self) -> None:
        m = self.machine
        m.request(build_command="exit 1")
        m.run()
        run = m.run_dir().name
        m.put("var/lib/xentest/current", run + "\n")
        status, output = m.run()
        self.assertEqual(status, 0, output)
        self.assertEqual(m.current(), "")
        self.assertEqual(m.end()[0], "failed")

    def test_a_run_whose_marker_was_removed_by_hand_ends(self) -> None:
        m = self.machine
        m.request()
        self.assertEqual(m.run()[0], 0)
        (m.root / MARKER).unlink()
        status, output = m.run()
        self.assertEqual(status, 0, output)
        self.assertEqual(m.end(), ("aborted", "/etc/xen_start_tests was removed before the run had ended"))
        self.assertEqual(m.current(), "")
        self.assertFalse(m.has(REQUEST))

    def test_a_second_xenbuildd_leaves_the_request_to_the_first(self) -> None:
        self.building()
        status, output = self.machine.run()
        self.assertEqual(status, 0, output)
        self.assertIn("another xenbuildd is at work", output)
        self.assertTrue(alive(self.build_pid))

    def test_a_file_beside_a_xenbuildd_at_work_is_refused(self) -> None:
        self.building()
        before = (self.machine.root / REQUEST).read_bytes()
        status, output = self.machine.run("/etc/hostname")
        self.assertEqual(status, 1, output)
        self.assertIn("another xenbuildd is at work", output)
        self.assertEqual((self.machine.root / REQUEST).read_bytes(), before)
        self.assertTrue(alive(self.build_pid))

    # ---- by hand ---------------------------------------------------------

    def test_a_file_is_made_the_request(self) -> None:
        m = self.machine
        own = m.directory / "mine.conf"
        own.write_text(m.control())
        status, output = m.run(str(own))
        self.assertEqual(status, 0, output)
        self.assertEqual((m.root / REQUEST).read_text(), m.control())
        self.assertTrue(m.has(MARKER))

    def test_a_file_is_refused_while_a_run_goes_on(self) -> None:
        m = self.machine
        own = m.directory / "mine.conf"
        own.write_text(m.control(jobs=2))
        m.request()
        self.assertEqual(m.run()[0], 0)
        status, output = m.run(str(own))
        self.assertEqual(status, 1)
        self.assertIn("is going on", output)
        self.assertEqual((m.root / REQUEST).read_text(), m.control())

    def test_a_file_is_refused_while_there_is_a_marker(self) -> None:
        m = self.machine
        own = m.directory / "mine.conf"
        own.write_text(m.control())
        m.request()
        self.assertEqual(m.run()[0], 0)
        (m.root / "var/lib/xentest/current").unlink()
        (m.root / REQUEST).unlink()
        status, output = m.run(str(own))
        self.assertEqual(status, 1)
        self.assertIn("/etc/xen_start_tests is there", output)
        self.assertFalse(m.has(REQUEST))

    def test_a_file_that_is_not_there_is_named(self) -> None:
        status, output = self.machine.run("/no/such/file.conf")
        self.assertEqual(status, 1)
        self.assertIn("/no/such/file.conf: No such file or directory", output)

    def test_a_wrong_command_line_is_told(self) -> None:
        for arguments in (("one", "two"), ("--colour",)):
            status, output = self.machine.run(*arguments)
            self.assertEqual(status, 2)
        self.assertEqual(self.machine.run("--help")[0], 0)
        self.assertTrue(self.machine.run("--version")[1].startswith("xenbuildd "))

    def test_check_says_what_is_wrong_and_touches_nothing(self) -> None:
        m = self.machine
        own = m.directory / "mine.conf"
        own.write_text(m.control())
        self.assertEqual(m.run("--check", str(own)), (0, ""))
        own.write_text(m.control(boot_method="magic"))
        status, output = m.run("--check", str(own))
        self.assertEqual(status, 1)
        self.assertIn(f"{own}:4: error: ", output)
        self.assertEqual(m.run("--check", "/no/such/file")[0], 2)
        self.assertEqual(list(m.root.iterdir()), [])


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main(verbosity=2)
