"""The guard's rule about a controller in a container that Git no longer wants. Pure."""

from __future__ import annotations

from trimtab.model.change import Change
from trimtab.model.diagnostics import Diagnostic
from trimtab.model.keys import Kind
from trimtab.plan.guards.inputs import GuardInputs, problem


def disowned(changes: tuple[Change, ...], inputs: GuardInputs) -> list[Diagnostic]:
    """The controller's own container is kept, and what it may depend on, such as a proxy of the engine's, with it.

    A second controller beside it, under the new name of a renamed service, would wait in vain for its lock.
    """
    own = inputs.observed.own
    if own is None:
        return []
    return [
        problem(
            "TT3032",
            f"container {change.name} runs this controller, and is no longer in Git:"
            f" nothing of {inputs.desired.app} is changed from inside of it",
            inputs.place,
            f"put service {change.key.name} back; if it has a new name, say so: 'moved: [{{kind: Service, from:"
            f" {change.key.name}, to: NEW}}]'; to be rid of it, stop it and run 'trimtab apply' or 'trimtab delete'"
            " outside of the container",
        )
        for change in changes
        if change.key.kind is Kind.CONTAINER
        and change.key not in inputs.desired.resources
        and change.before is not None
        and change.before.handle == own.handle
    ]
