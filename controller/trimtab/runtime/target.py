"""Which revision a pass works towards: Git's newest, unless it is held, cannot be used, or has failed.

All of them are reached by the same ten stages. What stands in for the newest revision is called its substitute.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from trimtab.errors import BuildFailed, TransientError, UserError
from trimtab.model.application import Application
from trimtab.model.desired import DesiredState
from trimtab.model.events import Event
from trimtab.model.records import AppliedState, Pin
from trimtab.plan.setback import goes_back
from trimtab.plan.takenback import still_there
from trimtab.ports import Clock, EventSink, Holds
from trimtab.runtime.catalog import Catalog
from trimtab.runtime.planner import Planner
from trimtab.runtime.views import View

StepT = TypeVar("StepT")
UNUSABLE = "the newest commit cannot be used"
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The revision of a pass; ``substitute`` says why it is not Git's newest, ``report_only`` why nothing is done.

    ``images`` are those that the release ran when it ran well, by service.
    """

    application: Application | None
    view: View
    substitute: str = ""
    report_only: str = ""
    images: Mapping[str, str] = field(default_factory=dict)

    @property
    def rolls_back(self) -> bool:
        """Whether it takes the place of a release that failed."""
        return self.substitute.startswith("TT")

    @property
    def goes_back(self) -> bool:
        """Whether it is older than what Git asks for, and not only the newest that can be read."""
        return self.substitute not in {"", UNUSABLE}


class Targets(Generic[StepT]):
    """Chooses; remembers what it found out about a pin until Git or the pin moves."""

    def __init__(self, catalog: Catalog, planner: Planner[StepT], holds: Holds, sink: EventSink, clock: Clock) -> None:
        self._catalog = catalog
        self._planner = planner
        self._holds = holds
        self._sink = sink
        self._clock = clock
        self._judged: dict[Pin, tuple[str, str]] = {}

    def choose(self, view: View, state: AppliedState, *, requested: bool) -> Target | None:
        """The target of this pass; None when there is nothing to work towards. ``requested``: try what failed again.

        Raises:
            TransientError: an older revision is needed and cannot be read now.
        """
        if view.removed or (not view.problems and (view.application is None or view.snapshot is None)):
            return Target(application=None, view=view)
        if (held := self._held(view, state)) is not None:
            return held
        base, substitute = view, ""
        if view.problems:
            good = view if view.application is not None else self.older(view, state.applied_revision)
            if good is None or good.application is None:
                return None
            base, substitute = good, UNUSABLE
        desired = self._desired(base)
        if desired is None or not state.failed_digest or desired.digest != state.failed_digest or requested:
            return Target(application=base.application, view=base, substitute=substitute)
        return self._after_failure(base, state)

    def older(self, view: View, revision: str) -> View | None:
        """The application as it was at ``revision``; None when that is not in its repository, or was no good.

        Raises:
            TransientError: it cannot be read now.
        """
        if not revision:
            return None
        if view.snapshot is not None and view.snapshot.revision == revision and view.application is not None:
            return view
        try:
            return self._catalog.at(view.key, revision)
        except UserError:
            # Its history was rewritten, and nobody has that commit any more.
            return None

    # -- a release that failed -----------------------------------------------------------------------------------

    def _after_failure(self, view: View, state: AppliedState) -> Target:
        application, reason = view.application, state.failed_reason or "this revision failed before"
        built = reason.startswith(BuildFailed.default_code)
        # A failed build has changed nothing: what runs is not rolled back, it is looked after.
        back = application is not None and goes_back(
            state.failed_reason, rollback_on_failure=application.rollback_on_failure
        )
        if built or back:
            for revision, digest in self._ways_back(state, built=built):
                older = self.older(view, revision)
                if older is not None:
                    images = _images(state, digest)
                    return Target(application=older.application, view=older, substitute=reason, images=images)
        lost = state.healthy_revision if not built and state.healthy_digest != state.failed_digest else ""
        if lost and back:
            reason += f"; the last healthy release {lost[:7]} is not in the repository any more, so it is not put back"
        return Target(application=application, view=view, report_only=reason)

    @staticmethod
    def _ways_back(state: AppliedState, *, built: bool) -> tuple[tuple[str, str], ...]:
        """What ran well last; before anything ran well, what was applied last."""
        healthy = (state.healthy_revision, state.healthy_digest)
        applied = (state.applied_revision, state.applied_digest)
        ways = (applied, healthy) if built else (healthy, applied)
        return tuple(way for way in ways if way[1] and way[1] != state.failed_digest)

    # -- a release that a person holds ---------------------------------------------------------------------------

    def _held(self, view: View, state: AppliedState) -> Target | None:
        pin = self._holds.pinned(view.key)
        if pin is None:
            return None
        if not pin.branch_revision:
            pin = replace(pin, branch_revision=view.revision)
            self._holds.pin(pin)
        pinned = self.older(view, pin.revision)
        if pinned is None or pinned.application is None:
            said = f"{pin.revision[:7]}, held by rollback --pin, is not in the repository any more"
            return Target(application=view.application, view=view, report_only=said) if view.application else None
        desired = self._desired(pinned)
        said = self._judge(pin, view, desired)
        if not said:
            return None
        images = _images(state, desired.digest) if desired is not None else {}
        return Target(application=pinned.application, view=pinned, substitute=said, images=images)

    def _judge(self, pin: Pin, view: View, held: DesiredState | None) -> str:
        """Why ``pin`` still holds; "" when the branch has what it waits for, and it was let go."""
        by = f" ({pin.by})" if pin.by else ""
        said = f"held at {pin.revision[:7]} by rollback --pin{by}"
        if view.revision == pin.branch_revision:
            return said
        if view.problems:
            return f"{said}; the newest commit {view.revision[:7]} cannot be used"
        known = self._judged.get(pin)
        if known is None or known[0] != view.revision:
            known = self._judged[pin] = (view.revision, self._against(pin, view, held))
        if known[1]:
            return f"{said}; {known[1]}"
        del self._judged[pin]
        self._holds.unpin(view.key)
        message = f"{view.revision[:7]} takes back what holding {pin.revision[:7]} undid; Git is followed again"
        self._sink.emit(
            Event(at=self._clock.now(), app=view.key, reason="Unpinned", message=message, revision=view.revision)
        )
        return ""

    def _against(self, pin: Pin, view: View, held: DesiredState | None) -> str:
        newest = self._desired(view)
        if newest is None or held is None or newest.digest == held.digest:
            return ""
        try:
            undone_view = self.older(view, pin.branch_revision)
        except TransientError:
            undone_view = None
        undone = self._desired(undone_view) if undone_view is not None else None
        left = still_there(held, undone, newest) if undone is not None else tuple(sorted(newest.resources))
        if undone is not None and undone.digest != held.digest and not left:
            return ""
        names = ", ".join(f"{key.kind} {key.name}" for key in left[:_NAMED])
        more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
        which = f" ({names}{more})" if names else ""
        return (
            f"{view.revision[:7]} does not take back what that undid{which}; "
            f"'trimtab sync {view.key}' deploys it, 'trimtab resume {view.key}' follows Git again"
        )

    def _desired(self, view: View) -> DesiredState | None:
        if view.application is None or view.snapshot is None:
            return None
        return self._planner.desired(view.application, view.snapshot)


def _images(state: AppliedState, digest: str) -> Mapping[str, str]:
    if digest and digest == state.healthy_digest:
        return state.healthy_images
    return state.previous_images if digest and digest == state.previous_digest else {}
