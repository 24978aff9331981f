"""Variables in values: ``$V ${V} ${V:-d} ${V-d} ${V:?e} ${V?e} ${V:+a} ${V+a}``, nested, and ``$$``.

A ``$`` that starts no expression ("costs $5") stays as it is, as in Compose; ``${`` that does
not become one is an error. Values that come out of variables are not looked at again.

Source: Compose Specification, 12-interpolation.md; compose-go, template/template.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from operator import is_
from typing import TYPE_CHECKING, Final

from trimtab.manifest.codes import Code
from trimtab.manifest.nodes import MappingNode, Node, Scalar, SequenceNode
from trimtab.model.diagnostics import Diagnostic, Origin, Severity
from trimtab.model.sensitive import is_sensitive

if TYPE_CHECKING:
    from collections.abc import Mapping

# What one value, and all values of one file together, may grow to: variables that hold variables
# double in size at each step, and a file of 1 MiB can name a large one 100,000 times.
MAX_VALUE_LENGTH: Final = 1024 * 1024
MAX_TOTAL_LENGTH: Final = 16 * 1024 * 1024
_MAX_NESTING = 30
_ESCAPE_HINT = "write $$ for a literal dollar sign"

_NAME = r"[_a-zA-Z][_a-zA-Z0-9]*"
_START = re.compile(rf"\$(?:(?P<escaped>\$)|(?P<named>{_NAME})|(?P<brace>\{{))")
_ALONE = re.compile(rf"\${_NAME}")
_BRACED = re.compile(rf"(?P<name>{_NAME})(?P<operator>:?[-+?])?")

# The value of a variable; None when it is not set.
Lookup = Callable[[str], str | None]
OnUnset = Callable[[str, int], None]


def _ignore(_name: str, _offset: int) -> None:
    """For callers that do not report variables without a value."""


class TemplateError(ValueError):
    """A text cannot be expanded; ``offset`` is where in it the expression starts."""

    def __init__(self, message: str, code: Code, offset: int, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.offset = offset
        self.hint = hint


def substitute(text: str, lookup: Lookup, on_unset: OnUnset = _ignore, depth: int = 0) -> str:
    """``text`` with its variables replaced.

    ``on_unset`` is told the name and offset of each variable without a value and without a default.

    Raises:
        TemplateError: an expression is malformed, a required variable has no value, or the
            result is too long.
    """
    if "$" not in text:
        return text
    if depth > _MAX_NESTING:
        message = f"variable expressions nest deeper than {_MAX_NESTING} levels"
        raise TemplateError(message, Code.BAD_TEMPLATE, 0)
    pieces: list[str] = []
    position = length = 0
    while (found := _START.search(text, position)) is not None:
        pieces.append(text[position : found.start()])
        position = found.end()
        if found["escaped"]:
            value = "$"
        elif found["named"]:
            value = _plain(found["named"], lookup, on_unset, found.start())
        else:
            end = _closing_brace(text, found.end())
            if end < 0:
                message = "'${' is not closed on its line"
                raise TemplateError(message, Code.BAD_TEMPLATE, found.start(), _ESCAPE_HINT)
            try:
                value = _braced(text[found.end() : end], lookup, on_unset, found.start(), depth)
            except TemplateError as error:
                # Nested offsets are relative to the inner text; the outer expression is the place to show.
                raise TemplateError(error.message, error.code, found.start(), error.hint) from None
            position = end + 1
        pieces.append(value)
        length += len(value)
        if length > MAX_VALUE_LENGTH:
            message = f"the value grows past {MAX_VALUE_LENGTH} characters"
            raise TemplateError(message, Code.BAD_TEMPLATE, found.start(), "use smaller variables, or a file")
    return "".join([*pieces, text[position:]])


def _plain(name: str, lookup: Lookup, on_unset: OnUnset, offset: int) -> str:
    value = lookup(name)
    if value is None:
        on_unset(name, offset)
        return ""
    return value


def _closing_brace(text: str, start: int) -> int:
    """The brace that closes an expression, as Compose finds it: the balanced one, else the line's last; -1 if none.

    Compose does not look at the character after an opening brace, so that ``${V:-{}}`` is never
    balanced. Alone on its line that makes no difference; with braces behind it, it does.
    """
    line_end = text.find("\n", start)
    end = len(text) if line_end < 0 else line_end
    opened, index = 1, start
    while index < end:
        if text[index] == "}":
            opened -= 1
            if opened == 0:
                return index
        elif text[index] == "{":
            opened += 1
            index += 1
        index += 1
    return text.rfind("}", start, end)


def _braced(body: str, lookup: Lookup, on_unset: OnUnset, offset: int, depth: int) -> str:
    head = _BRACED.match(body)
    if head is None or (head["operator"] is None and head.end() != len(body)):
        message = f"'${{{body}}}' is not a variable expression"
        raise TemplateError(message, Code.BAD_TEMPLATE, offset, _ESCAPE_HINT)
    name, operator, argument = head["name"], head["operator"], body[head.end() :]
    if operator is None:
        return _plain(name, lookup, on_unset, offset)
    value = lookup(name)
    # With a colon, an empty value counts as none.
    present = value is not None and not (operator[0] == ":" and value == "")
    match operator[-1]:
        case "-":
            return value if value is not None and present else substitute(argument, lookup, on_unset, depth + 1)
        case "+":
            return substitute(argument, lookup, on_unset, depth + 1) if present else ""
        case _:
            if value is not None and present:
                return value
            # The text is shown as written: expanded, it could carry another variable's secret value.
            state = "empty" if value == "" else "not set"
            message = f"the required variable {name} is {state}" + (f": {argument}" if argument else "")
            raise TemplateError(message, Code.REQUIRED_VARIABLE, offset, f"set {name} in .env or in an env file")


def is_part_of_secret(name: str, value: str, offset: int) -> bool:
    """Whether the ``$`` there in the value of ``name`` may be a part of a password, and what follows it not to be told.

    What has braces, or stands alone, is meant as a variable.
    """
    plain = not value.startswith("${", offset)
    return plain and is_sensitive(name, "") and _ALONE.fullmatch(value.removeprefix(f"{name}=").strip()) is None


def interpolate(node: Node, environment: Mapping[str, str]) -> tuple[Node, tuple[Diagnostic, ...]]:
    """``node`` with variables in its values (not its keys) replaced; a value that fails keeps its text."""
    run = _Interpolation(environment)
    return run.node(node), tuple(run.diagnostics)


class _Interpolation:
    """One file's interpolation; an alias is expanded once and its problems are told once."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._environment = environment
        self._done: dict[int, Node] = {}
        self._total = 0

    def node(self, node: Node) -> Node:
        known = self._done.get(id(node))
        if known is None:
            known = self._done[id(node)] = self._expand(node)
        return known

    def _expand(self, node: Node) -> Node:
        match node:
            case Scalar():
                return self._scalar(node)
            case SequenceNode():
                listed = tuple(self.node(item) for item in node.items)
                return node if all(map(is_, listed, node.items)) else replace(node, items=listed)
            case MappingNode():  # pragma: no branch - there is no other node
                items = {
                    key: self._done.setdefault(id(item), self._scalar(item, key))
                    if isinstance(item, Scalar) and id(item) not in self._done
                    else self.node(item)
                    for key, item in node.items.items()
                }
                return node if all(map(is_, items.values(), node.items.values())) else replace(node, items=items)

    def _scalar(self, node: Scalar, key: str = "") -> Scalar:
        text = node.value
        if not isinstance(text, str) or "$" not in text:
            return node
        # In a list of the form NAME=value, the name is in the text.
        name = key or text.partition("=")[0]

        def report(severity: Severity, code: Code, message: str, offset: int, hint: str) -> None:
            origin, length = _place(node, text, offset)
            self.diagnostics.append(
                Diagnostic(severity=severity, code=code.value, message=message, origin=origin, hint=hint, length=length)
            )

        def unset(variable: str, offset: int) -> None:
            message = f"the variable {variable} is not set; an empty string takes its place"
            hint = f"set it in .env, or give a default: ${{{variable}:-...}}"
            if is_part_of_secret(name, text, offset):
                message, hint = "a variable in this value is not set; an empty string takes its place", _ESCAPE_HINT
            report(Severity.WARNING, Code.VARIABLE_NOT_SET, message, offset, hint)

        try:
            value = substitute(text, self._environment.get, unset)
        except TemplateError as error:
            malformed = error.code is Code.BAD_TEMPLATE and is_sensitive(name, "")
            message = "a '$' in this value begins no variable expression" if malformed else error.message
            report(Severity.ERROR, error.code, message, error.offset, error.hint)
            return node
        self._total += len(value)
        if self._total > MAX_TOTAL_LENGTH:
            message = f"the file's values grow past {MAX_TOTAL_LENGTH} characters"
            if self._total - len(value) <= MAX_TOTAL_LENGTH:
                report(Severity.ERROR, Code.BAD_TEMPLATE, message, 0, "use smaller variables")
            return node
        return replace(node, value=value)


def _place(node: Scalar, text: str, offset: int) -> tuple[Origin, int]:
    """The expression's own column, when the value stands on one line as it is."""
    quote = 1 if node.quoted else 0
    if node.length != len(text) + 2 * quote or not node.origin.column:
        return node.origin, node.length
    origin = replace(node.origin, column=node.origin.column + quote + offset)
    return origin, len(text) - offset
