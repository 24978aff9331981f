from __future__ import annotations

import re

from trimtab.manifest.codes import Code


def test_every_code_is_told_in_one_line() -> None:
    for code in Code:
        assert re.fullmatch(r"TT1[0-7]\d\d", code.value), code
        assert code.meaning
        assert "\n" not in code.meaning
        assert not code.meaning.endswith("."), code


def test_no_code_is_used_twice() -> None:
    # An enum makes a second name with the same value an alias of the first.
    assert len(Code.__members__) == len(list(Code))


def test_codes_are_in_the_ranges_of_their_stage() -> None:
    assert Code.FILE_TOO_LARGE.value == "TT1001"
    assert Code.UNKNOWN_ATTRIBUTE.value == "TT1203"
    assert Code.DEPENDENCY_CYCLE.value == "TT1250"
