"""One pass over one application: which revision should be there, what is, what to do, what came of it.

Level-based: a trigger says that something may have changed, never what to do. Every pass reads everything again
and may be repeated or cut off at any line.

Three facts decide. *Desired* is what Git says. A desired state that failed is remembered by its digest and not
tried again until it changes or a person asks; meanwhile the last *healthy* revision is desired in its place
(``rollbackOnFailure``), which is an ordinary pass on an older revision.

``whole`` finds out what there is to do; then a pass is ``acting`` or ``resting``; one that rests looks at what runs,
and ``proving`` says what that makes of the release.
"""

from __future__ import annotations

from trimtab.runtime.reconciler.current import DENIED_S, RESYNC_S, SETTLE_S
from trimtab.runtime.reconciler.whole import Reconciler

__all__ = ["DENIED_S", "RESYNC_S", "SETTLE_S", "Reconciler"]
