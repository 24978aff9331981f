"""A plan as a pull request's comment. Pure. Whatever comes from Git or an engine is fenced or escaped."""

from __future__ import annotations

import re
from typing import TypeVar

from trimtab.model.change import Change, Disruption, Verb
from trimtab.model.plan import Plan, Verdict
from trimtab.plan.render.document import PlanHeader
from trimtab.plan.render.summary import summary_line
from trimtab.plan.render.text import change_lines

StepT = TypeVar("StepT")
# GitHub's limit is 65,536 characters a comment; leave room for what surrounds a plan.
MAX_CHARACTERS = 60_000
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~@])")


def plan_markdown(plan: Plan[StepT], header: PlanHeader, verdict: Verdict | None = None) -> str:
    """A headline, a table of counts, and the changes in a fold."""
    acting = [change for change in plan.changes if change.acts]
    where = f"{header.ref}@{header.revision[:7]}" if header.ref else header.revision[:7] or "working directory"
    lines = [
        f"### Plan for {escape(header.app)}: **{len(acting)} change{'' if len(acting) == 1 else 's'}**",
        "",
        f"`{_code(where)}` {escape(header.subject)}".rstrip(),
        "",
        "| + | ~ | ± | - | Downtime | Data loss |",
        "|---|---|---|---|---|---|",
        _row(acting),
        "",
    ]
    told = (*plan.diagnostics, *(verdict.diagnostics if verdict else ()))
    lines.extend(f"> [!{'CAUTION' if d.severity.value == 'error' else 'NOTE'}]\n> {escape(str(d))}\n" for d in told)
    if plan.changes:
        body = "\n".join(change_lines(plan.changes))
        fence = "`" * (max((len(run) for run in re.findall(r"`+", body)), default=2) + 1)
        room = MAX_CHARACTERS - sum(len(line) for line in lines)
        if len(body) > room:
            body = body[:room].rsplit("\n", 1)[0] + "\n… cut; 'trimtab plan' shows all of it"
        lines += ["<details><summary>Changes</summary>", "", f"{fence}diff", body, fence, "", "</details>", ""]
    lines += [summary_line(plan.changes), "", f"Plan `{plan.id[:12]}`"]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Text that markdown shows as it is: no formatting, no mention, no HTML."""
    return _SPECIAL.sub(r"\\\1", text.replace("\n", " ")).replace("\\@", "@\u200b")


def _code(text: str) -> str:
    return text.replace("`", "'")


def _row(acting: list[Change]) -> str:
    counts = [str(_count(acting, verb)) for verb in (Verb.CREATE, Verb.UPDATE, Verb.REPLACE, Verb.DELETE)]
    losses = str(sum(1 for change in acting if change.loses_data))
    return f"| {' | '.join([*counts, _downtime(acting), losses])} |"


def _count(changes: list[Change], verb: Verb) -> int:
    return sum(1 for change in changes if change.verb is verb)


def _downtime(changes: list[Change]) -> str:
    worst = max((change.disruption for change in changes), default=Disruption.NONE)
    return {
        Disruption.NONE: "none",
        Disruption.ROLLING: "none (rolling)",
        Disruption.RESTART: "restart",
        Disruption.REPLACE: "a short stop",
    }[worst]
