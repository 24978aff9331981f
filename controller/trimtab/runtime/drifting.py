"""What the world is told of drift: each difference once, with the field, both values, when, and by which event."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from trimtab.model.change import Change, FieldChange, Reason
from trimtab.model.events import Event, EventType
from trimtab.model.keys import AppKey, Kind, ResourceKey
from trimtab.plan.drift import REPAIRS, paths, sentence
from trimtab.plan.units import ago
from trimtab.ports import Clock, EventLog, EventSink
from trimtab.runtime.planner import Look
from trimtab.runtime.selfheal import CONTENDED, MAX_S, WINDOW_S, Field, SelfHealBackoff
from trimtab.runtime.witness import Seen, Witness

StepT = TypeVar("StepT")
DETECTED, CONTENDED_EVENT = "DriftDetected", "DriftContended"
# How far back the event log is read after a start; ten minutes of even a lively application are fewer.
LOGGED = 200
Said = tuple[tuple[str, object, object], ...]


class DriftTeller:
    """Emits ``DriftDetected`` and ``DriftContended``. Safe from any thread."""

    def __init__(self, sink: EventSink, log: EventLog, clock: Clock, witness: Witness, heal: SelfHealBackoff) -> None:
        self._sink = sink
        self._log = log
        self._clock = clock
        self._witness = witness
        self._heal = heal
        self._told: dict[ResourceKey, Said] = {}
        self._lock = threading.Lock()

    def resting(self, app: AppKey, digest: str) -> Mapping[Field, float]:
        """Fields that are not to be put right yet; after a start, from what the event log has of it."""
        if self._heal.recall(app):
            self._recall(app)
        return self._heal.resting(app, digest)

    def contended(self, app: AppKey, digest: str) -> str:
        """Which fields are fought over now, in words; "" for none."""
        names = sorted({f"{key.kind} {key.name}{path}" for key, path in self._heal.contended(app, digest)})
        return ", ".join(names)

    def repairs(self, look: Look[StepT], changes: Sequence[Change]) -> None:
        """These are about to be put right."""
        for change in changes:
            self._tell(look, change, repair=True)
            fields = tuple((change.key, path) for path in paths(change))
            for key, path in self._heal.repaired(fields, look.desired.digest):
                self._alert(look, change, key, path)

    def leaves(self, look: Look[StepT], why: str = "") -> None:
        """What differs and is left as it is: reported only, resting, or because of ``why``. Told once."""
        differing = [c for c in look.plan.changes if c.reason is Reason.REPORTED or c.reported]
        if why:
            differing += [c for c in look.plan.changes if c.acts and c.reason in REPAIRS and c not in differing]
        with self._lock:
            known = {key for key in self._told if key.app == look.plan.app}
            for key in known - {change.key for change in differing}:
                del self._told[key]
            fresh = [change for change in differing if self._told.get(change.key) != _said(change)]
            self._told.update({change.key: _said(change) for change in fresh})
        for change in fresh:
            self._tell(look, change, repair=False, why=why)

    def _tell(self, look: Look[StepT], change: Change, *, repair: bool, why: str = "") -> None:
        fields = _fields(change) if not repair else change.fields
        seen = {path: self._seen(change, path) for path in [f.path for f in fields] or [""]}
        detail = "; ".join(_told_field(f, seen[f.path], self._clock) for f in fields if not f.sensitive)
        detail = detail or ", ".join(f.attribute for f in fields) or change.detail or change.reason.value
        if not fields and (gone := seen[""]) is not None:
            detail += _by(gone, self._clock)
        told = f"{change.key.kind} {change.name}: {detail}"
        if not repair:
            told += f" (not put right: {why})" if why else " (reported, not put right)"
        self._sink.emit(
            Event(
                at=self._clock.now(),
                app=look.plan.app,
                reason=DETECTED,
                type=EventType.WARNING,
                message=told,
                revision=look.plan.revision,
                fields={
                    "kind": change.key.kind.value,
                    "object": change.name,
                    "resource": change.key.name,
                    "replica": change.key.replica,
                    "reason": change.reason.value,
                    "fields": {f.attribute: [f.before, f.after] for f in fields if not f.sensitive},
                    "paths": list(seen),
                    "changes": [
                        {"path": path, "at": found.at.isoformat(), "by": found.action}
                        for path, found in seen.items()
                        if found is not None
                    ],
                    "repaired": repair,
                    "digest": look.desired.digest,
                },
            )
        )

    def _alert(self, look: Look[StepT], change: Change, key: ResourceKey, path: str) -> None:
        found = next((f for f in change.fields if f.path == path), None)
        seen = self._seen(change, path)
        what = "its state" if found is None else found.attribute if found.sensitive else sentence(found)
        by = f", last by `{seen.action}`" if seen is not None else ""
        message = (
            f"{key.kind} {change.name}: {what}: put right {CONTENDED} times in {WINDOW_S / 60:.0f} minutes and changed "
            f"again{by}; somebody or something else sets it: it is put right ever later now, every {MAX_S / 60:.0f} "
            "minutes in the end"
        )
        values = {"before": found.before, "after": found.after} if found is not None and not found.sensitive else {}
        self._sink.emit(
            Event(
                at=self._clock.now(),
                app=look.plan.app,
                reason=CONTENDED_EVENT,
                type=EventType.WARNING,
                message=message,
                revision=look.plan.revision,
                fields={
                    "kind": key.kind.value,
                    "object": change.name,
                    "path": path,
                    "attribute": found.attribute if found is not None else change.reason.value,
                    "by": seen.action if seen is not None else "",
                    **values,
                },
            )
        )

    def _seen(self, change: Change, path: str) -> Seen | None:
        return self._witness.explain(change.before.handle if change.before else "", change.name, path)

    def _recall(self, app: AppKey) -> None:
        now = self._clock.now()
        for stored in self._log.newest(app=app, limit=LOGGED):
            event, facts = stored.event, stored.event.fields
            ago_s = (now - event.at).total_seconds()
            listed = facts.get("paths")
            if event.reason != DETECTED or not facts.get("repaired") or not isinstance(listed, list | tuple):
                continue
            if 0 <= ago_s < WINDOW_S and (key := _key(app, facts)) is not None:
                self._heal.repaired([(key, str(p)) for p in listed], str(facts.get("digest", "")), ago_s=ago_s)


def _key(app: AppKey, facts: Mapping[str, object]) -> ResourceKey | None:
    try:
        return ResourceKey(app, Kind(str(facts["kind"])), str(facts["resource"]), int(str(facts["replica"])))
    except (KeyError, ValueError):
        return None


def _fields(change: Change) -> tuple[FieldChange, ...]:
    return change.reported or change.fields


def _said(change: Change) -> Said:
    return tuple((f.path, repr(f.before), repr(f.after)) for f in _fields(change)) or ((change.reason.value, "", ""),)


def _told_field(found: FieldChange, seen: Seen | None, clock: Clock) -> str:
    return sentence(found) + (_by(seen, clock) if seen is not None else "")


def _by(seen: Seen, clock: Clock) -> str:
    age_s = max((clock.now() - seen.at).total_seconds(), 0.0)
    return f", changed {ago(age_s)} ago by `{seen.action}`"


def drifted(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Of the changes that act, those that nobody pushed."""
    return tuple(change for change in changes if change.acts and change.reason in REPAIRS)
