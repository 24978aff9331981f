"""What the controller does without: structlog would bring rich, for tracebacks that our log never prints."""

from __future__ import annotations

import importlib
import sys
from typing import Any


def load_structlog() -> None:
    """Import structlog as if rich were not installed: 4 MiB and a tenth of a second. Nothing when either is loaded.

    Source: structlog.dev and structlog.tracebacks do without rich where they cannot import it.
    """
    if "structlog" in sys.modules or "rich" in sys.modules:
        return
    modules: dict[str, Any] = sys.modules
    # Python's own sign for "cannot be imported".
    modules["rich"] = None
    try:
        importlib.import_module("structlog")
    finally:
        del modules["rich"]
