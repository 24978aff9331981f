"""What is wrong with ``moved``: a rename goes from a name that is gone to one that is there, by one way only.

Entries may stay for as long as anybody could still have the old name, so they form chains: `a` to `b`, then `b` to `c`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trimtab.manifest.codes import Code
from trimtab.manifest.kinds.settings import Moved
from trimtab.manifest.nodes import Node
from trimtab.model.application import ComposeProject
from trimtab.model.diagnostics import Diagnostic, Severity

# How to exchange two names, which one commit cannot say.
_SWAP = "to swap two names, go by way of a third one, in two commits; to go back to one, remove the older entry"


def check_moves(project: ComposeProject, moves: Sequence[tuple[Moved, Node]]) -> tuple[Diagnostic, ...]:
    """Every problem, at the entry that has it."""
    sections: Mapping[str, Mapping[str, Mapping[str, object]]] = {
        "Volume": project.volumes,
        "Network": project.networks,
        "Service": project.services,
    }
    found: list[Diagnostic] = []
    onward: dict[tuple[str, str], str] = {(moved.kind, moved.from_): moved.to for moved, _ in moves}
    first: dict[tuple[str, str, str], str] = {}
    for moved, node in moves:
        section, kind = sections[moved.kind], moved.kind.lower()

        def wrong(message: str, hint: str = "", at: Node = node) -> None:
            found.append(
                Diagnostic(
                    severity=Severity.ERROR, code=Code.BAD_MOVE.value, message=message, origin=at.origin, hint=hint
                )
            )

        if _circles(onward, moved):
            wrong(f"the {kind} '{moved.from_}' is moved in a circle", _SWAP)
            continue
        if moved.to not in section and (moved.kind, moved.to) not in onward:
            wrong(f"the application has no {kind} '{moved.to}' to move to")
        if moved.from_ in section:
            message = f"the {kind} '{moved.from_}' is still there; a moved {kind} has only its new name"
            wrong(message, _SWAP if (moved.kind, moved.to) in onward else "")
        for way, other in (("from", moved.from_), ("to", moved.to)):
            before = first.setdefault((moved.kind, way, other), moved.to if way == "from" else moved.from_)
            if before != (moved.to if way == "from" else moved.from_):
                wrong(f"two entries move {way} the {kind} '{other}'", "only one of them can be true")
        if section.get(moved.to, {}).get("external"):
            wrong(f"the {kind} '{moved.to}' is external, and nothing is ever moved to what is not the application's")
    return tuple(found)


def _circles(onward: Mapping[tuple[str, str], str], moved: Moved) -> bool:
    seen, name = {moved.from_}, moved.to
    while True:
        if name in seen:
            return True
        seen.add(name)
        following = onward.get((moved.kind, name))
        if following is None:
            return False
        name = following
