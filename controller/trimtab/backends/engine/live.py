"""One ``inspect`` as a ``Live``: whose it is, its fields, how it runs; and what of it a plan depends on. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from trimtab.backends.engine.addresses import IN_FORCE
from trimtab.backends.engine.labels import COPIED_FROM, DIGEST, REVISION, WAVE, renamed_from
from trimtab.backends.engine.normalise import Names, normalise_container, normalise_network, normalise_volume
from trimtab.model.keys import Kind, ResourceKey
from trimtab.model.observed import EngineFacts, Live, Probe, Running, RunState
from trimtab.model.sensitive import masked, sensitive_values
from trimtab.plan.canonical import canonical_json, fingerprint

# Enough of a probe's output to see why, not a page.
_OUTPUT_LENGTH = 500


def labels_of(kind: Kind, inspect: Mapping[str, Any]) -> Mapping[str, str]:
    """An object's labels, wherever its kind keeps them."""
    return (inspect.get("Config") or {}).get("Labels") or {} if kind is Kind.CONTAINER else inspect.get("Labels") or {}


def live_container(
    key: ResourceKey,
    inspect: Mapping[str, Any],
    image: Mapping[str, Any] | None,
    *,
    names: Names,
    facts: EngineFacts,
    stopped_by_request: bool | None,
) -> Live:
    """A container of ours; without its image nothing of its own config can be told from the image's."""
    fields, inherited = normalise_container(inspect, image, names=names, facts=facts)
    if image is None and "Config" in fields:
        inherited["Config"] = fields["Config"]
    labels = labels_of(Kind.CONTAINER, inspect)
    return Live(
        key=key,
        handle=str(inspect["Id"]),
        name=str(inspect["Name"]).lstrip("/"),
        digest=labels.get(DIGEST, ""),
        revision=labels.get(REVISION, ""),
        fields=fields,
        inherited=inherited,
        running=running(inspect, stopped_by_request=stopped_by_request),
        image_id=str(inspect.get("Image") or ""),
        image_refs=tuple(sorted((image or {}).get("RepoDigests") or ())),
        created_at=_time(inspect.get("Created")),
        listed=inspect.get(IN_FORCE),
        wave=wave_of(labels),
        renamed_from=renamed_from(labels, str(inspect["Name"]).lstrip("/")),
    )


def wave_of(labels: Mapping[str, str]) -> int:
    """The wave that an object was made in."""
    try:
        return int(labels.get(WAVE, "0"))
    except ValueError:
        return 0


def live_network(key: ResourceKey, inspect: Mapping[str, Any]) -> Live:
    """A network of ours, without its endpoints."""
    fields, inherited = normalise_network(inspect)
    return _labelled(key, inspect, fields, inherited, handle=str(inspect["Id"]), created=inspect.get("Created"))


def live_volume(key: ResourceKey, inspect: Mapping[str, Any], *, complete: bool = True) -> Live:
    """A volume of ours. A content volume that was not filled to the end has no digest: it is to be made again."""
    fields, inherited = normalise_volume(inspect) if key.kind is Kind.VOLUME else ({}, {})
    live = _labelled(key, inspect, fields, inherited, handle=str(inspect["Name"]), created=inspect.get("CreatedAt"))
    live = replace(live, copied_from=labels_of(key.kind, inspect).get(COPIED_FROM, ""))
    return live if complete else replace(live, digest="")


def running(inspect: Mapping[str, Any], *, stopped_by_request: bool | None = None) -> Running:
    """A container's state."""
    state = inspect.get("State") or {}
    health = state.get("Health") or {}
    log = health.get("Log") or []
    status = RunState(state.get("Status") or "created")
    stopped = status in {RunState.EXITED, RunState.DEAD}
    probe = str(health.get("Status") or "none")
    return Running(
        status=status,
        probe=Probe(probe) if probe in set(Probe) else Probe.NONE,
        exit_code=int(state.get("ExitCode") or 0) if stopped or status is RunState.RESTARTING else None,
        oom_killed=bool(state.get("OOMKilled")),
        restart_count=int(inspect.get("RestartCount") or 0),
        started_at=_time(state.get("StartedAt")),
        finished_at=_time(state.get("FinishedAt")),
        error=_without_secrets(str(state.get("Error") or ""), inspect),
        # Cut last: the half of a secret would not be found.
        probe_output=_without_secrets(_output(log), inspect)[-_OUTPUT_LENGTH:],
        stopped_by_request=stopped_by_request if stopped else None,
    )


def weigh(live: Live, key: bytes) -> str:
    """A keyed digest of what a plan depends on: not of times, counts, nor whether a probe is still starting.

    Keyed, because ``fields`` holds environment values and the digest is written into plans.
    """
    state = live.running
    facts = {
        "object": [str(live.key), live.handle, live.name, live.digest, live.image_id],
        "fields": live.fields,
        "state": [state.status.value, state.exit_code, state.probe is Probe.UNHEALTHY, state.stopped_by_request],
        "endpoints": live.endpoints,
    }
    if live.listed is not None:
        facts["listed"] = live.listed
    return fingerprint(key, canonical_json(facts))


def _labelled(
    key: ResourceKey,
    inspect: Mapping[str, Any],
    fields: Mapping[str, object],
    inherited: Mapping[str, object],
    *,
    handle: str,
    created: object,
) -> Live:
    labels = labels_of(key.kind, inspect)
    return Live(
        key=key,
        handle=handle,
        name=str(inspect["Name"]),
        digest=labels.get(DIGEST, ""),
        revision=labels.get(REVISION, ""),
        fields=fields,
        inherited=inherited,
        created_at=_time(created),
    )


def _output(log: list[Mapping[str, Any]]) -> str:
    return str(log[-1].get("Output") or "").strip() if log else ""


def _without_secrets(text: str, inspect: Mapping[str, Any]) -> str:
    """What a program or a check said, which is kept and shown, without what the container's environment hides."""
    if not text:
        return text
    pairs = (str(entry).partition("=") for entry in (inspect.get("Config") or {}).get("Env") or ())
    return masked(text, sensitive_values({name: value for name, _, value in pairs}))


def _time(value: object) -> datetime | None:
    """An engine's time; None for its zero, year 1."""
    text = str(value or "")
    if not text or text.startswith("0001-"):
        return None
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else None
