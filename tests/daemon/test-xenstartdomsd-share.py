#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""xenstartdomsd with a share that fails: every run ends, and says why.

Usage: PROGRAM [TEST…] as test-xenstartdomsd.py; needs root, for mounts.
"""
from __future__ import annotations

import sys
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE / "fake-xen"), str(HERE)]
import hanging  # noqa: E402
from machine import GOOD, RUN, Case, main  # noqa: E402

MOUNTS = hanging.can_mount()


class Share(Case):
    def setUp(self) -> None:
        super().setUp()
        self.machine.be_dom0()
        self.machine.mark()

    def test_results_that_did_not_get_through_are_said_and_kept(self) -> None:
        m = self.machine
        m.guest("keeps", ["state testing LTP run 1", "sleep 0.3", "state delivering", "sleep 0.3", "state undelivered",
                          "forever"], keys="stop = yes")
        m.guest("good", GOOD, keys="stop = yes")
        m.make_run()
        said = m.go()
        self.assert_ended("finished")
        done = m.last("keeps")
        self.assertEqual(done["state"], "done")
        self.assertEqual(done["message"], "its results did not reach the share and lie in its "
                         f"/var/lib/xentest/runs/{RUN}/keeps")
        self.assertIn("keeps done: 0 of 2 tests good; its results did not reach the share", said)
        names = [m.xen.store.read(f"/local/domain/{n}/name") for n in m.xen.store.list("/local/domain")]
        self.assertIn("keeps", names)
        self.assertNotIn("good", names)

    def test_a_delivery_has_time_but_not_for_ever(self) -> None:
        m = self.machine
        m.guest("slow", ["state testing LTP run 1", "sleep 0.3", "state delivering", "forever"])
        m.make_run()
        m.go("--grace", "1")
        self.assertEqual(m.last("slow")["message"], "no news from its results (delivery) long after its time limit")

    @unittest.skipUnless(MOUNTS, "no mounts of our own here")
    def test_one_that_is_read_only_ends_the_run_with_a_sentence(self) -> None:
        m = self.machine
        hanging.mount_memory(m.share, "ro")
        self.addCleanup(hanging.unmount, m.share)
        m.guest("guest1", GOOD)
        m.make_run()
        said = m.go(status=1)
        self.assert_ended("failed")
        self.assertRegex(said, rf"use {m.share}: .*Read-only file system")
        self.assertIn("The summary could not be put into", said)
        self.assertTrue((m.run_dir / "summary.txt").exists())
        self.assertNotIn("create", "".join(m.xen.calls()))

    @unittest.skipUnless(MOUNTS, "no mounts of our own here")
    def test_one_that_is_full_ends_the_run_with_a_sentence(self) -> None:
        m = self.machine
        hanging.mount_memory(m.share, "size=4k")
        self.addCleanup(hanging.unmount, m.share)
        (m.share / "filler").write_bytes(bytes(4096))
        m.guest("guest1", GOOD)
        m.make_run()
        said = m.go(status=1)
        self.assert_ended("failed")
        self.assertRegex(said, rf"use {m.share}: .*No space left on device")

    @unittest.skipUnless(MOUNTS, "no mounts of our own here")
    def test_one_that_hangs_is_asked_once_and_the_run_ends(self) -> None:
        """120 s to publish, 30 s for the summary, and 20 s each for a child that the kernel holds."""
        m = self.machine
        for name in "guest1", "guest2", "guest3":
            m.guest(name, GOOD)
        m.make_run()
        away = hanging.Hanging(m.share)
        self.addCleanup(away.release)
        began = time.monotonic()
        said = m.go(status=1, timeout=400)
        self.assertLess(time.monotonic() - began, 240)
        self.assert_ended("failed")
        for name in "guest1", "guest2", "guest3":
            self.assertIn("it does not answer", m.last(name)["message"])
        self.assertRegex(said, rf"use {m.share}: it does not answer")
        self.assertTrue((m.run_dir / "summary.txt").exists())


if __name__ == "__main__":
    main()
