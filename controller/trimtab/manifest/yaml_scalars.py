"""What an unquoted scalar means: null, a boolean, a number or text. Pure.

Scalars are resolved as the Compose tools resolve them: YAML 1.2's core schema with the merge key and the number forms
of YAML 1.1 (``yes`` and ``on`` are strings, ``0777`` and ``0o777`` are 511).

Source: https://yaml.org/spec/1.2.2/#103-core-schema; compose-go parses with go.yaml.in/yaml/v3.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trimtab.manifest.nodes import ScalarValue

_BOOLEANS = {form: word == "true" for word in ("true", "false") for form in (word, word.title(), word.upper())}
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_INTEGER = re.compile(r"(?P<sign>[-+]?)(?P<digits>0x[0-9a-fA-F]+|0b[01]+|0o?[0-7]+|0|[1-9][0-9]*)", re.ASCII)
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_MAY_BE_NOT_FINITE = frozenset("+-.")
# A sign, 0b and 64 digits; anything longer is no 64-bit integer (and would be slow to convert).
_LONGEST_INTEGER = 67
_INT64_MIN, _UINT64_MAX = -(2**63), 2**64 - 1


def finite(text: str) -> bool:
    """Whether it is no infinity and no NaN, which JSON and engines cannot take."""
    return text[:1] not in _MAY_BE_NOT_FINITE or not _NOT_FINITE.fullmatch(text)


def resolve_plain(text: str) -> ScalarValue:
    """The value of an unquoted scalar: null, boolean, integer, float or the text itself.

    Source: go.yaml.in/yaml/v3, resolve.go: underscores group digits, a leading 0 is octal,
    integers past 64 bits become floats.
    """
    if text in _NULLS:
        return None
    if (boolean := _BOOLEANS.get(text)) is not None:
        return boolean
    if text[0] not in "+-.0123456789":
        return text
    plain = text.replace("_", "")
    if len(plain) <= _LONGEST_INTEGER and (found := _INTEGER.fullmatch(plain)) is not None:
        digits = found["digits"]
        is_octal = len(digits) > 1 and digits[0] == "0" and digits[1] in "01234567"
        number = int(digits, 8) if is_octal else int(digits, 0)
        number = -number if found["sign"] == "-" else number
        if _INT64_MIN <= number <= _UINT64_MAX:
            return number
    if _FLOAT.fullmatch(plain):
        value = float(plain)
        # Past the largest double the text stays text, as strconv.ParseFloat refuses it.
        return text if value in (float("inf"), float("-inf")) else value
    return text
