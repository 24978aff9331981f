"""Commands: a line of text is split into words as a POSIX shell would, but nothing is expanded or run.

The Compose tools read a command line only up to the first unquoted ``;``, ``&``, ``|``, ``<`` or
``>`` and drop the rest. So do we, with a warning, because no shell would ever see that rest.
"""

from __future__ import annotations

from typing_extensions import override

from trimtab.manifest.codes import Code
from trimtab.manifest.compose.shapes import Report, Shape, is_reset, sequence, text
from trimtab.manifest.nodes import Node, Scalar, SequenceNode

_OPERATORS = frozenset(";&|<>")


class CommandLine(Shape):
    """A command as a list of words; null means the image's own, an empty list means none."""

    @override
    def read(self, node: Node, where: str, report: Report) -> Node:
        if is_reset(node) or not isinstance(node, Scalar) or not isinstance(node.value, str):
            return node
        try:
            words, dropped = split_command(node.value)
        except ValueError as error:
            report.error(Code.BAD_COMMAND, f"{where} cannot be split into words: {error}", node, "write it as a list")
            return node
        if dropped:
            message = f"{where} is not run by a shell: '{dropped}' and what follows is left out, as Compose does"
            report.warning(Code.BAD_COMMAND, message, node, "write it as [sh, -c, '...']")
        return sequence([text(word, node) for word in words], node)


class HealthTest(Shape):
    """A health check's command: a text runs in the container's shell."""

    @override
    def read(self, node: Node, where: str, report: Report) -> Node:
        if is_reset(node) or not isinstance(node, Scalar) or not isinstance(node.value, str):
            return node
        return SequenceNode(items=(text("CMD-SHELL", node), text(node.value, node)), origin=node.origin, tag=node.tag)


def split_command(line: str) -> tuple[list[str], str]:  # noqa: C901 - one branch for each class of character
    """The words of ``line``, and the operator at which reading stopped, if any.

    Raises:
        ValueError: a quote or an escape is left open, or there is a bare parenthesis.
    """
    words: list[str] = []
    word: list[str] = []
    started = escaped = False
    quote = ""  # the quote that is open: ' " ` or $( as "("
    for at, char in enumerate(line):
        if escaped:
            word.append(char)
            escaped, started = False, True
        elif char == "\\" and quote != "'":
            escaped = True
        elif char in " \t\r\n" and not quote:
            if started:
                words.append("".join(word))
            word, started = [], False
        elif char in "\"'" and quote in ("", char):
            started = started or bool(quote)
            quote = "" if quote else char
        elif char in "`()" and quote not in ("'", '"'):
            quote = _substitution(char, quote, word)
            word.append(char)
            started = True
        elif char in _OPERATORS and not quote:
            # A digit before '>' is the number of a stream, as in 2>file, not a word.
            redirected = char == ">" and bool(word) and word[0].isdigit()
            if started and not redirected:
                words.append("".join(word))
            return words, line[at:].split(maxsplit=1)[0]
        else:
            word.append(char)
            started = True
    if escaped or quote:
        raise ValueError("a quote or an escape is left open")
    if started:
        words.append("".join(word))
    return words, ""


def _substitution(char: str, quote: str, word: list[str]) -> str:
    """The quote that is open after a backtick or a parenthesis; their text is kept as it stands."""
    if char == "`":
        return "`" if quote == "" else ("" if quote == "`" else quote)
    if char == "(":
        if quote == "" and word[-1:] == ["$"]:
            return "("
        if quote == "`":
            return quote
    elif quote == "(":
        return ""
    elif quote == "`":
        return quote
    raise ValueError(f"'{char}' outside of quotes")
