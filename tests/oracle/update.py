"""Asks the real ``docker compose config`` about every case and stores what it says; run by ``scripts/oracle``."""

from __future__ import annotations

import json
import sys

from tests.oracle.cases import Case, ask_compose, cases, plugin_version
from trimtab.manifest.compose.shapes import Style


def main(names: list[str]) -> int:
    """Update the named cases, or all of them; 1 if a case is on the wrong side."""
    if not plugin_version():
        sys.stderr.write("the docker compose plugin is not there; see docs or your distribution's docker-compose-v2\n")
        return 1
    wrong = 0
    for kind in ("corpus", "rejected"):
        for case in cases(kind):
            if names and case.name not in names:
                continue
            document, message = ask_compose(case)
            if (document is None) is (kind == "corpus"):
                wrong += 1
                sys.stderr.write(f"{kind}/{case.name}: {message or 'accepted'}\n")
            elif document is not None:
                _store(case)
            elif not case.message.exists():
                # Which of several problems Compose names changes from run to run: the first answer is kept.
                case.message.write_text(message + "\n", encoding="utf-8")
    return 1 if wrong else 0


def _store(case: Case) -> None:
    for style in Style:
        document, _ = ask_compose(case, style)
        text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False)
        case.expected(style).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
