"""How the containers of one service are replaced by newer ones: Swarm's update_config and rollback_config, resolved."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction


class FailureAction(StrEnum):
    """What a failed replacement means for the rest; Swarm's words. UNSAID: nothing was written."""

    UNSAID = ""
    PAUSE = "pause"
    CONTINUE = "continue"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRule:
    """One ``update_config`` or ``rollback_config`` (``section``), in Swarm's defaults where it says nothing.

    ``parallelism`` 0 is all at once. ``delay_s`` lies between two groups. ``monitor_s`` is how long each new container
    has to run well before it counts; None: only that it came up. ``max_failure_ratio`` is a share of the replacements.
    """

    section: str = "update_config"
    parallelism: int = 1
    delay_s: float = 0.0
    order: str = ""
    monitor_s: float | None = None
    max_failure_ratio: Fraction = Fraction(0)
    failure_action: FailureAction = FailureAction.UNSAID

    def tolerance(self, replacements: int) -> int:
        """How many of ``replacements`` may fail before the rest is not done any more.

        Source: swarmkit updater: the action is taken when failures / tasks > MaxFailureRatio, never for "continue".
        """
        if self.failure_action is FailureAction.CONTINUE:
            return replacements
        return min(replacements, int(self.max_failure_ratio * replacements))


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Who of a service's containers gets requests when.

    ``drain_s``: how long an old one goes on after it left its proxy's sight; None: it is stopped without leaving it.
    ``unready_s``: the longest that its health check may take to say that it is gone.
    ``alias_when_healthy``: a new one beside an old one gets the service's names only when it has proved itself.
    ``address``: a proxy has the service's names, and knows only who may get requests; who it has forgotten goes on for
    ``unlisted_s``.
    ``together``: all new ones prove themselves before the first old one goes; ``by_hand``: and a person says so.
    """

    drain_s: float | None = None
    unready_s: float = 0.0
    alias_when_healthy: bool = False
    address: bool = False
    unlisted_s: float = 0.0
    together: bool = False
    by_hand: bool = False
