"""The controller's log works without rich, and rich can still be imported by those who print with it."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from trimtab.observability.lean import load_structlog
load_structlog()
from trimtab.observability import logging
assert "rich" not in sys.modules
logging.configure(stream=sys.stdout, json=False)
import structlog
try:
    1 / 0
except ZeroDivisionError:
    structlog.get_logger().error("told", exc_info=True)
from rich.text import Text
load_structlog()
"""


def test_structlog_without_rich() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert "told" in done.stdout
    assert "ZeroDivisionError" in done.stdout
