"""What a command says while it works."""

from __future__ import annotations

import subprocess
import sys

from trimtab.cli.delete import meant
from trimtab.model.diagnostics import Diagnostic, Origin, Severity
from trimtab.model.plan import Decision, Verdict

_WRITES = """
import sys
from trimtab.cli.progress import Lines
for number in range(300):
    Lines().write(f"{number} " + "x" * 1000)
print("went on", file=sys.stderr)
"""


def test_what_was_begun_goes_on_when_nobody_reads_the_progress_any_more() -> None:
    with subprocess.Popen([sys.executable, "-c", _WRITES], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stderr is not None
        assert writer.stdout.readline().startswith(b"0 ")
        writer.stdout.close()
        assert writer.stderr.read() == b"went on\n"
    assert writer.returncode == 0


def problem(code: str) -> Diagnostic:
    return Diagnostic(severity=Severity.ERROR, code=code, message="no", origin=Origin("compose.yaml"))


def test_who_asks_for_a_removal_is_not_told_that_it_waits_because_it_is_one() -> None:
    held = Verdict(decision=Decision.HOLD, diagnostics=(problem("TT3202"),), waits_for="approval")
    assert meant(held) == Verdict(decision=Decision.GO)
    other = Verdict(decision=Decision.HOLD, diagnostics=(problem("TT3202"), problem("TT3203")), waits_for="approval")
    assert meant(other) == other
    denied = Verdict(decision=Decision.DENY, diagnostics=(problem("TT3202"),))
    assert meant(denied) == denied
