"""Scalar shapes: booleans, numbers, sizes, durations and texts, from whatever form a file gives them in.

Interpolation makes texts of everything, so each shape also takes the text form of its value.
A value of a wrong kind (a list for a number) is left for the schema check to report.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

from typing_extensions import override

from trimtab.manifest.codes import Code
from trimtab.manifest.compose.shapes import Report, Shape, is_reset
from trimtab.manifest.compose.units import (
    float32,
    format_duration,
    number_text,
    parse_duration_ns,
    parse_integer,
    parse_number,
    parse_size,
)
from trimtab.manifest.nodes import Node, Scalar, ScalarValue

# Source: yaml.org/type/bool.html; the Compose tools take these words with a warning.
_YAML11_BOOLEANS = {"y": True, "yes": True, "on": True, "n": False, "no": False, "off": False}


class _ScalarShape(Shape, ABC):
    @override
    def read(self, node: Node, where: str, report: Report) -> Node:
        if is_reset(node) or not isinstance(node, Scalar) or node.value is None:
            return node
        return replace(node, value=self.value(node, where, report))

    @abstractmethod
    def value(self, node: Scalar, where: str, report: Report) -> ScalarValue:
        """The canonical value; what cannot be read is reported and kept."""


class Boolean(_ScalarShape):
    """true or false."""

    @override
    def value(self, node: Scalar, where: str, report: Report) -> ScalarValue:
        if not isinstance(node.value, str):
            return node.value
        word = node.value.lower()
        if word in ("true", "false"):
            return word == "true"
        if word in _YAML11_BOOLEANS:
            meant = _YAML11_BOOLEANS[word]
            message = f"'{node.value}' for {where} is not a boolean of YAML 1.2; it is read as {str(meant).lower()}"
            report.warning(Code.BAD_BOOLEAN, message, node, f"write {str(meant).lower()}")
            return meant
        report.error(Code.BAD_BOOLEAN, f"{where} is '{node.value}', not true or false", node, "write true or false")
        return node.value


class Integer(_ScalarShape):
    """A whole number."""

    @override
    def value(self, node: Scalar, where: str, report: Report) -> ScalarValue:
        if isinstance(node.value, float) and node.value.is_integer():
            return int(node.value)
        if not isinstance(node.value, str):
            return node.value
        try:
            return parse_integer(node.value)
        except ValueError:
            report.error(Code.BAD_NUMBER, f"{where} is '{node.value}', not a whole number", node)
            return node.value


class Natural(Integer):
    """A whole number that is not negative."""

    @override
    def value(self, node: Scalar, where: str, report: Report) -> ScalarValue:
        number = super().value(node, where, report)
        if isinstance(number, int) and number < 0:
            report.error(Code.OUT_OF_RANGE, f"{where} is {number}; it must be at least 0", node)
        return number


class Count(Integer):
    """A whole number, or "all", which is -1."""

    @override
    def value(self, node: Scalar, where: str, report: Report) -> ScalarValue:
        if isinstance(node.value, str) and node.value.lower() == "all":
            return -1
        return super().value(node, where, report)


class Number(_ScalarShape):
    """A number in single precision."""

    @override
    def value(self, node: Scalar, where: str, report: Report) -> ScalarValue:
        if node.value is None or isinstance(node.value, bool):
            return node.value
        try:
            number = float32(parse_number(node.value) if isinstance(node.value, str) else node.value)
        except ValueError:
            report.error(Code.BAD_NUMBER, f"{where} is '{node.value}', not a number", node)
            return node.value
        return int(number) if number.is_integer() else number


class Size(_ScalarShape):
    """A number of bytes, printed as text; ``text_only`` leaves a bare number for the schema check to report."""

    def __init__(self, *, text_only: bool = False) -> None:
        self.text_only = text_only

    @override
    def value(self, node: Scalar, where: str, report: Report) -> ScalarValue:
        if isinstance(node.value, str):
            try:
                return str(parse_size(node.value))
            except ValueError as error:
                hint = "write a number with a unit, such as 64m or 1.5g"
                report.error(Code.BAD_SIZE, f"{where} is '{node.value}', which is no size: {error}", node, hint)
                return node.value
        if node.value is None or isinstance(node.value, bool) or self.text_only:
            return node.value
        return str(int(node.value))

    @override
    def is_unset(self, node: Node) -> bool:
        return (isinstance(node, Scalar) and node.value == "0") or super().is_unset(node)


class Duration(_ScalarShape):
    """A duration in its canonical form, such as "1m30s"."""

    @override
    def value(self, node: Scalar, where: str, report: Report) -> ScalarValue:
        if not isinstance(node.value, str):
            return node.value
        try:
            return format_duration(parse_duration_ns(node.value))
        except ValueError as error:
            hint = "write numbers with units, such as 30s, 1m30s or 500ms"
            report.error(Code.BAD_DURATION, f"{where} is '{node.value}', which is no duration: {error}", node, hint)
            return node.value

    @override
    def is_unset(self, node: Node) -> bool:
        return (isinstance(node, Scalar) and node.value == "0s") or super().is_unset(node)


class Text(_ScalarShape):
    """Any scalar as text: 80 is "80", true is "true"."""

    @override
    def value(self, node: Scalar, where: str, report: Report) -> ScalarValue:
        return node.value if node.value is None else scalar_text(node.value)


class ModeBits(_ScalarShape):
    """Permission bits as a number; a text is octal: "0700" is 448."""

    @override
    def value(self, node: Scalar, where: str, report: Report) -> ScalarValue:
        if not isinstance(node.value, str):
            return INTEGER.value(node, where, report)
        try:
            return int(node.value.removeprefix("0o"), 8)
        except ValueError:
            message = f"{where} is '{node.value}', which is not an octal number"
            report.error(Code.BAD_FILE_MODE, message, node, 'write it as in "0440"')
            return node.value


class FileMode(ModeBits):
    """Permission bits as octal text: 288, 0440 and "440" are "0440"."""

    @override
    def value(self, node: Scalar, where: str, report: Report) -> ScalarValue:
        bits = super().value(node, where, report)
        return f"0{bits:o}" if isinstance(bits, int) and not isinstance(bits, bool) else bits


def scalar_text(value: str | float) -> str:  # bool and int are floats to a type checker
    """A scalar as the Compose tools turn it into text."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return value
        case _:
            return number_text(value)


PLAIN = Shape()
BOOLEAN = Boolean()
INTEGER = Integer()
NATURAL = Natural()
NUMBER = Number()
SIZE = Size()
DURATION = Duration()
TEXT = Text()
