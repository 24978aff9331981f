"""A plan as a comment: what comes from elsewhere formats nothing, mentions nobody, loads nothing, ends no fold."""

from __future__ import annotations

import re

from tests.support.rig import Rig, application, project
from trimtab.model.diagnostics import Diagnostic, Origin, Severity
from trimtab.model.plan import Decision, Verdict
from trimtab.plan.render import PlanHeader, plan_markdown
from trimtab.plan.render.markdown import escape

HOSTILE = "<img src=x> @everyone </details> [a](javascript:x) `code` ```` *b* | # h\n> [!NOTE]"


def test_text_from_elsewhere_stays_text() -> None:
    rig = Rig()
    rig.converge(application(project({"web": {"image": "web:1", "command": ["one"]}})))
    wanted = application(project({"web": {"image": "web:1", "command": ["`````", "</details>", "@everyone"]}}))
    told = Diagnostic(severity=Severity.ERROR, code="TT1", message=HOSTILE, origin=Origin(HOSTILE))
    header = PlanHeader(app="shop", ref="a`b", revision="r" * 40, subject=HOSTILE, author=HOSTILE)
    text = plan_markdown(rig.plan(wanted), header, Verdict(decision=Decision.HOLD, diagnostics=(told,), waits_for="x"))
    fence = "`" * 6
    before, body, after = (
        text.partition(f"{fence}diff\n")[0],
        *text.partition(f"{fence}diff\n")[2].split(f"\n{fence}\n"),
    )
    assert "`````" in body
    for outside in (before, after):
        bare = re.sub(r"\\.", "", outside)  # what is escaped is text
        for markup in ("<img", "</details> ", "@everyone", "](javascript"):
            assert markup not in bare
    assert after.count("</details>") == 1
    assert "\n> [!NOTE]" not in before


def test_each_special_character_is_escaped_once() -> None:
    assert escape("a_b*c @x\n<y>") == "a\\_b\\*c @\u200bx \\<y\\>"
