"""What befalls the controller itself in a soak: its store, its clock, and a second one that would have its place."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from dataclasses import dataclass
from random import Random

from tests.support.scenario import Controller
from tests.support.skew import Skew
from tests.support.waiting import eventually

HOUR_S = 3600.0
# Forward and back: by a wrong time zone, by a dead battery, by a typing error.
JUMPS_S = (-3 * 365 * 24 * HOUR_S, -24 * HOUR_S, -HOUR_S, -90.0, 90.0, HOUR_S, 24 * HOUR_S, 3 * 365 * 24 * HOUR_S)
DAMAGES = ("gone", "no database", "half a database", "garbage", "read-only")
# A second controller asks the first one whether it lives, and is answered within seconds.
SECOND_S = 8.0


@dataclass(slots=True)
class Inside:
    """One controller, which is ended and begun again for some of it."""

    controller: Controller
    skew: Skew
    read_only: bool = False

    def trouble(self, verb: str, random: Random) -> str:
        """One of it; what it was."""
        if verb == "clock":
            jump_s = random.choice(JUMPS_S)
            self.skew.set(jump_s)
            return f"the clock is wrong by {jump_s / HOUR_S:+.2f} h"
        return self._store(random) if verb == "store" else self._second(random)

    def _store(self, random: Random) -> str:
        how = random.choice(DAMAGES)
        if self.read_only:
            return "the store is still read-only"
        self._kill()
        database = self.controller.database
        if how == "gone":
            shutil.rmtree(self.controller.data_dir)
        elif how == "read-only":
            _mount("--bind", str(self.controller.data_dir), str(self.controller.data_dir))
            _mount("-o", "remount,bind,ro", str(self.controller.data_dir))
            self.read_only = True
        elif how == "no database":
            database.unlink(missing_ok=True)
        elif database.exists():
            content = database.read_bytes()
            half = len(content) // 2
            database.write_bytes(content[:half] if how == "half a database" else content[:200] + random.randbytes(half))
        self.controller.start()
        return f"the store: {how}"

    def _second(self, random: Random) -> str:
        """Another process of the same installation, with the same data directory or one of its own."""
        shared = random.random() < 0.5
        folder = self.controller.folder if shared else self.controller.folder.with_name("second")
        second = dataclasses.replace(self.controller, folder=folder, process=None)
        second.start()
        try:
            eventually(lambda: not second.running, what="the second one gives up", timeout_s=SECOND_S)
            ended = f"ended with {second.process.returncode}" if second.process is not None else ""
        except AssertionError:
            ended = "had to be killed"
        second.kill9()
        if not self.controller.running:
            # With spoiled calls the first may not have shown in time that it lives; then it gives way, as it says.
            self._kill()
            self.controller.start()
            ended += ", and had taken over"
        return f"a second controller with {'the same' if shared else 'its own'} data directory {ended}"

    def mend(self) -> None:
        """The clock is right again, the store can be written."""
        self.skew.set(0.0)
        if self.read_only:
            # Files that were opened read-only stay so: whoever mends a disk starts anew what is on it.
            self._kill()
            self._unmount()
            self.controller.start()

    def end(self) -> None:
        """Leave nothing that runs or is mounted."""
        self._kill()
        self._unmount()

    def _kill(self) -> None:
        if self.controller.process is not None:
            self.controller.kill9()

    def _unmount(self) -> None:
        if self.read_only:
            subprocess.run(["umount", "--lazy", str(self.controller.data_dir)], check=True)
            self.read_only = False


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)
