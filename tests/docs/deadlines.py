"""docs/reference/deadlines.md: how long each thing may take, from the constants that the code goes by."""

# ruff: noqa: E501 - lines of pages, as wide as they are
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

from trimtab.backends.engine import client, events, filler, lock, steps
from trimtab.backends.engine.lower.runs import STOP_S
from trimtab.backends.engine.lower.site import ARCHIVE_S, CALL_S, IMAGE_S, START_S, STOP_MARGIN_S
from trimtab.backends.engine.render.rollout import UNLISTED_S
from trimtab.cli import requests as asking
from trimtab.images import probe
from trimtab.runtime import cancel, clockjump, loop, reconciler, requests, triggers
from trimtab.sources.limits import GitLimits
from trimtab.wiring import controller, starting


@dataclass(frozen=True, slots=True)
class Bound:
    """What a step's deadline is: in words, and whether a number can be it."""

    text: str
    fits: Callable[[float], bool]


def said(seconds: float) -> str:
    """A duration as people read it."""
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def _just(seconds: float) -> Bound:
    return Bound(said(seconds), lambda timeout_s: timeout_s == seconds)


_CALL, _START, _IMAGE, _ARCHIVE = _just(CALL_S), _just(START_S), _just(IMAGE_S), _just(ARCHIVE_S)
_STOP = Bound(f"`stop_grace_period` + {said(STOP_MARGIN_S)}", lambda timeout_s: timeout_s >= STOP_MARGIN_S)
_RESTART = Bound(
    f"`stop_grace_period` + {said(STOP_MARGIN_S + START_S)}", lambda timeout_s: timeout_s >= STOP_MARGIN_S + START_S
)
_OWN = Bound(
    "the service's own: its health check's until it can have failed, at most the application's `timeout`",
    lambda timeout_s: timeout_s > 0,
)
_UNDO = Bound(
    f"`stop_grace_period` + {said(STOP_MARGIN_S + START_S)}, or {said(CALL_S)}", lambda timeout_s: timeout_s >= CALL_S
)

_TURN = Bound(f"`update_config.delay` + {said(CALL_S)}", lambda timeout_s: timeout_s >= CALL_S)
_DRAIN = Bound(
    f"`rollout.drain` + the health check's until it says so + {said(CALL_S)}", lambda timeout_s: timeout_s >= CALL_S
)

_LIST = Bound(f"`rollout.drain`, or {said(UNLISTED_S)}, + {said(CALL_S)}", lambda timeout_s: timeout_s >= CALL_S)

_HAND_OVER = Bound(
    f"`stop_grace_period` + twice the service's own + {said(2 * STOP_MARGIN_S)}",
    lambda timeout_s: timeout_s >= 2 * STOP_MARGIN_S,
)

STEPS: Mapping[type, Bound] = {
    steps.PullImage: _IMAGE,
    steps.BuildImage: _IMAGE,
    steps.CreateNetwork: _CALL,
    steps.RemoveNetwork: _CALL,
    steps.CreateVolume: _CALL,
    steps.CopyVolume: _ARCHIVE,
    steps.SettleVolume: _CALL,
    steps.ArchiveVolume: _ARCHIVE,
    steps.RemoveVolume: _ARCHIVE,
    steps.CreateContent: _CALL,
    steps.RemoveContent: _CALL,
    steps.CreateContainer: _CALL,
    steps.StartContainer: _START,
    steps.UnpauseContainer: _CALL,
    steps.DrainContainer: _DRAIN,
    steps.ListReplicas: _LIST,
    steps.StopContainer: _STOP,
    steps.RestartContainer: _RESTART,
    steps.RemoveContainer: _CALL,
    steps.RenameContainer: _CALL,
    steps.UpdateContainer: _CALL,
    steps.ConnectNetwork: _CALL,
    steps.DisconnectNetwork: _CALL,
    steps.ExecHook: _IMAGE,
    steps.AwaitRunning: _OWN,
    steps.AwaitHealthy: _OWN,
    steps.AwaitCompleted: _OWN,
    steps.AwaitTurn: _TURN,
    steps.DiscardContainer: _UNDO,
    steps.EndRun: _just(STOP_S),
    steps.RestoreContainer: _UNDO,
    steps.RestoreContainers: _UNDO,
    steps.HandOver: _HAND_OVER,
}

_GIT = GitLimits()
# What waits, how long at most, what happens then.
WAITS: tuple[tuple[str, float, str], ...] = (
    ("connecting to the engine", client.CONNECT_TIMEOUT_S, "the pass is tried again with backoff"),
    ("an answer of the engine", client.READ_TIMEOUT_S, "the step fails, what was begun is undone, it is tried again"),
    (
        "the engine's event stream saying nothing",
        events.IDLE_S,
        "it is pinged; without an answer, connected anew and everything looked at",
    ),
    ("writing files into a content volume", filler._WRITING_S, "the step fails and is tried again"),
    ("another controller's answer about the lock", lock.ANSWER_S, "the engine is taken over"),
    ("a registry's word on an image before a plan begins", probe.TIMEOUT_S, "the image is left to the pull"),
    ("asking a Git remote for its commit", _GIT.poll_timeout_s, "what runs is held; asked again, later and later"),
    ("fetching from a Git remote", _GIT.fetch_timeout_s, "the same"),
    ("pushing to a Git remote", _GIT.push_timeout_s, "the command fails and says so"),
    ("reading a local repository", _GIT.local_timeout_s, "the same as for a remote"),
    (
        "a step in flight, after a newer commit or a stop",
        cancel.CANCEL_GRACE_S,
        "it is left behind, what was begun is undone",
    ),
    (
        "a step in flight, after `trimtab terminate`",
        cancel.TERMINATE_GRACE_S,
        "the same; a container that is being stopped is waited for",
    ),
    (
        "a sync that was terminated, before it is begun by itself",
        loop.TERMINATED_S,
        "a commit or `trimtab sync` begins it at once",
    ),
    (
        "a window, a suspension with an end",
        reconciler.RESYNC_S,
        "looked at in between; it goes on at the very second, whatever comes first",
    ),
    (
        "an approval, another application, a lower wave",
        reconciler.RESYNC_S,
        "looked at again; an event wakes it at once",
    ),
    ("what a preflight or a guard found in the way", reconciler.DENIED_S, "looked at again"),
    ("the wall clock having been set, to be noticed", clockjump.LOOK_S, "everything that waits for a time looks again"),
    ("a request of another process, to be seen", requests.LOOK_S, "it is performed"),
    ("an application that is not known at the start", requests.PATIENCE_S, "the request is refused"),
    ("a remote that fails, between two questions", triggers.POLL_MAX_S, "asked again"),
    (
        "the controller's answer to a command",
        asking.WAIT_S,
        "the command ends with an error; `trimtab status` tells on",
    ),
    ("a controller that does not take the request", asking.NOBODY_S, "the command says that none runs"),
    ("the controller's end, after SIGTERM", controller.STOP_S, "what is left is left to the next start"),
    ("the engine or the lock at the start, between two tries", starting.LONGEST_S, "tried again"),
)


def bound_of(step: type) -> Bound:
    """A step's deadline. Raises LookupError: it has none, which must not be."""
    if step not in STEPS:
        message = (
            f"{step.__name__} has no deadline on the page of deadlines: add it to STEPS in tests/docs/deadlines.py"
        )
        raise LookupError(message)
    return STEPS[step]


def lines() -> Iterator[str]:
    """The page."""
    yield from (
        "Nothing that Trimtab does is waited for without end. A step that misses its deadline fails like any other: what",
        "depends on it is skipped, what was begun is undone, and the pass is tried again. A step that does not even come",
        "back is left behind in its thread and counted (`trimtab_steps_abandoned_total`).",
        "",
        "The whole of a sync is bounded by the application's `timeout` (10 min), too. Builds have `builds` places; whoever",
        "waits for one can be cancelled.",
        "",
        "## Steps",
        "",
        "| step | may take |",
        "|---|---|",
    )
    for step in get_args(steps.EngineStep):
        yield f"| `{step.__name__}` | {bound_of(step).text} |"
    yield from ("", "## Waits", "", "| for | at most | then |", "|---|---|---|")
    for what, seconds, then in WAITS:
        yield f"| {what} | {said(seconds)} | {then} |"
