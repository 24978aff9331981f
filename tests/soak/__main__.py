"""The soak as a command; see scripts/soak."""

from __future__ import annotations

import argparse
import contextlib
import secrets
import sys
import tempfile
from pathlib import Path

from tests.soak.soak import soak_for, soaking
from tests.support import engine, own_engine
from tests.support.gitrepo import make_git_hermetic
from tests.support.registry import NoRegistryError, registry_program


def main() -> int:
    """Soak, and print what was counted; 1 when something was wrong."""
    options = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    options.add_argument("--minutes", type=float, default=10.0)
    options.add_argument("--seed", default=secrets.token_hex(3))
    chosen = options.parse_args()
    make_git_hermetic()
    if (reason := own_engine.why_none()) is not None:
        sys.stderr.write(f"error: {reason}\n")
        return 2
    name = f"soak{secrets.token_hex(4)}"
    with (
        contextlib.closing(engine.connect()) as api,
        tempfile.TemporaryDirectory(prefix="trimtab-soak-") as folder,
        own_engine.own_engine(name, api) as own,
    ):
        try:
            program = registry_program(Path(folder) / "registry-program")
            with soaking(chosen.seed, own, name, Path(folder), api, program) as soak:
                figures = soak_for(soak, chosen.minutes * 60)
        except NoRegistryError as error:
            sys.stderr.write(f"error: {error}\n")
            return 2
        except AssertionError as error:
            sys.stderr.write(f"\nFAILED: {error}\n\nagain: scripts/soak --seed {chosen.seed}\n")
            return 1
        sys.stdout.write(f"\n{figures.text()}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
