"""What people have decided: suspensions, pinned releases, approved plans."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from trimtab.model.keys import AppKey
from trimtab.model.records import Approval, Pin, Suspension
from trimtab.store.codec import optional_time_text, parse_optional_time, parse_time, time_text
from trimtab.store.database import Database, Row
from trimtab.store.rows import UNREADABLE, Table

# Shorter beginnings of a plan's id approve nothing: another plan may begin so, too.
SHOWN_PLAN_ID = 12
# A yes is about what its giver had before the eyes; by the next day that may be another situation.
APPROVED_FOR = timedelta(hours=24)


class PeoplesHolds:
    """ports.Holds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._approvals = Table(database, "approvals", ("plan_id",), _approval)

    def suspend(self, suspension: Suspension) -> None:
        """Stop an application."""
        self._database.write(
            "INSERT OR REPLACE INTO suspensions (app, since, reason, by, until) VALUES (?, ?, ?, ?, ?)",
            (
                str(suspension.app),
                time_text(suspension.since),
                suspension.reason,
                suspension.by,
                optional_time_text(suspension.until),
            ),
        )

    def resume(self, app: AppKey) -> bool:
        """Let it go on; whether it was suspended."""
        return self._delete("suspensions", app)

    def suspension(self, app: AppKey) -> Suspension | None:
        """What holds it now; an expired one is none."""
        rows = self._database.read("SELECT since, reason, by, until FROM suspensions WHERE app = ?", (str(app),))
        if not rows:
            return None
        since, reason, by, until = rows[0]
        try:
            found = Suspension(app=app, since=parse_time(since), reason=reason, by=by, until=parse_optional_time(until))
        except UNREADABLE:
            # What a person stopped goes on when a person says so, not because a time cannot be read.
            found = Suspension(app=app, since=self._database.now(), reason=str(reason), by=str(by))
        return found if found.holds(self._database.now()) else None

    def pin(self, pin: Pin) -> None:
        """Hold an older release."""
        self._database.write(
            "INSERT OR REPLACE INTO pins (app, revision, since, branch_revision, by) VALUES (?, ?, ?, ?, ?)",
            (str(pin.app), pin.revision, time_text(pin.since), pin.branch_revision, pin.by),
        )

    def unpin(self, app: AppKey) -> bool:
        """Follow the branch again; whether it was pinned."""
        return self._delete("pins", app)

    def pinned(self, app: AppKey) -> Pin | None:
        """The release that is held."""
        rows = self._database.read("SELECT revision, since, branch_revision, by FROM pins WHERE app = ?", (str(app),))
        if not rows:
            return None
        revision, since, branch_revision, by = rows[0]
        try:
            at = parse_time(since)
        except UNREADABLE:
            # Since when it is held is only told; what is held is what counts.
            at = self._database.now()
        return Pin(app=app, revision=revision, since=at, branch_revision=branch_revision, by=by)

    def approve(self, approval: Approval) -> None:
        """A person's yes to a plan."""
        self._database.write(
            "INSERT OR REPLACE INTO approvals (plan_id, app, at, by) VALUES (?, ?, ?, ?)",
            (approval.plan_id, str(approval.app), time_text(approval.at), approval.by),
        )

    def approved(self, plan_id: str) -> Approval | None:
        """Whether there is one that still counts; people name a plan by the beginning of its id, as it is shown."""
        rows = self._database.read(
            "SELECT plan_id, app, at, by FROM approvals"
            " WHERE plan_id = ? OR (length(plan_id) >= ? AND plan_id = substr(?, 1, length(plan_id)))",
            (plan_id, SHOWN_PLAN_ID, plan_id),
        )
        found = self._approvals.records(rows)
        now = self._database.now()
        # A clock that was put back must not make an old yes last longer than a fresh one.
        return next((replace(one, plan_id=plan_id) for one in found if abs(now - one.at) < APPROVED_FOR), None)

    def consume(self, plan_id: str) -> None:
        """An approval counts once: what it was given for is done."""
        self._database.write(
            "DELETE FROM approvals"
            " WHERE plan_id = ? OR (length(plan_id) >= ? AND plan_id = substr(?, 1, length(plan_id)))",
            (plan_id, SHOWN_PLAN_ID, plan_id),
        )

    def _delete(self, table: str, app: AppKey) -> bool:
        return self._database.transaction(
            lambda c: c.execute(f"DELETE FROM {table} WHERE app = ?", (str(app),)).rowcount > 0  # noqa: S608 - ours
        )


def _approval(row: Row) -> Approval:
    plan_id, app, at, by = row
    return Approval(plan_id=plan_id, app=AppKey.parse(app), at=parse_time(at), by=by)
