"""Stage 6: what has to change, and why. Pure; no backend's details, which a Dialect answers.

Every object gets a Change only if something happens to it, or if a person might expect something
to happen and it does not (KEEP). ``whole`` puts it together; each other module answers one question.
"""

from __future__ import annotations

from trimtab.plan.diff.dialect import Dialect, Selection
from trimtab.plan.diff.images import image_change
from trimtab.plan.diff.options import DiffOptions
from trimtab.plan.diff.whole import diff

__all__ = ["Dialect", "DiffOptions", "Selection", "diff", "image_change"]
