r"""Env files: ``.env``, ``env_file`` and ``label_file`` as Compose reads them, and ``format: raw``.

    KEY=value                 until the end of the line or ' #'; variables are expanded
    KEY='as it is'            \' is a quote; nothing is expanded; may span lines
    KEY="expanded $VAR \n"     escapes and variables are expanded; may span lines
    export KEY=value          also with ': ' in place of '='
    KEY                       takes the value of a variable that is already set

Values may be secrets: no message shows one.

Source: Compose Specification, 05-services.md "env_file"; compose-go, dotenv/parser.go; docker/cli, pkg/kvfile (raw).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from trimtab.manifest.codes import Code
from trimtab.manifest.compose.interpolate import MAX_TOTAL_LENGTH, Lookup, TemplateError, is_part_of_secret, substitute
from trimtab.model.diagnostics import Diagnostic, Origin, Severity

MAX_FILE_BYTES: Final = 1024 * 1024

_BLANK = " \t\v\f\r\u0085\u00a0"
_SKIPPED = re.compile(r"(?:\s+|#[^\n]*)*")
_KEY = re.compile(rf"(?:export\s+)?(?P<key>[\w.\-\[\]{_BLANK}]*)(?P<end>[=:\n]|\Z)")
_AFTER_QUOTE = re.compile(rf"[{_BLANK}]*(?:#[^\n]*)?(?:\n|\Z)")
_ESCAPE = re.compile(r"\\(?:([abcfnrtv$\"\\])|0([0-9]{0,3}))")
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "\\": "\\"}


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvText:
    """What one env file sets, where, and what is wrong with it."""

    variables: Mapping[str, str] = field(repr=False)
    origins: Mapping[str, Origin]
    diagnostics: tuple[Diagnostic, ...]


_NOTHING: Mapping[str, str] = {}


def parse_env(content: bytes, path: str, lookup: Lookup, earlier: Mapping[str, str] = _NOTHING) -> EnvText:
    """Read an env file.

    In expansions ``lookup``, which knows the variables set elsewhere, wins over the file's own
    variables, and those over ``earlier`` files' ones.
    """
    text, problems = _decode(content, path)
    reader = _Reader(text, path, lookup, earlier)
    reader.run()
    return EnvText(variables=reader.variables, origins=reader.origins, diagnostics=(*problems, *reader.diagnostics))


def parse_raw(content: bytes, path: str, lookup: Lookup, earlier: Mapping[str, str] = _NOTHING) -> EnvText:
    """Read an env file with ``format: raw``: KEY=VALUE lines, taken literally, so that ``earlier`` is not looked at."""
    del earlier
    text, problems = _decode(content, path)
    diagnostics, variables, origins = list(problems), dict[str, str](), dict[str, Origin]()
    for number, line in enumerate(text.split("\n"), start=1):
        entry = line.removesuffix("\r").lstrip()
        origin = Origin(path, number, 1)
        if not entry or entry.startswith("#"):
            continue
        key, equals, value = entry.partition("=")
        if not key or " " in key or "\t" in key:
            message = "no variable name before '='" if not key else "the variable's name contains a blank"
            diagnostics.append(_problem(Severity.ERROR, Code.ENV_FILE_SYNTAX, message, origin))
            continue
        found = value if equals else lookup(key)
        if found is None:
            diagnostics.append(_not_inherited(key, origin))
            continue
        variables[key], origins[key] = found, origin
    return EnvText(variables=variables, origins=origins, diagnostics=tuple(diagnostics))


class _Reader:
    """Reads one file from start to end; after a bad line it goes on with the next."""

    def __init__(self, text: str, path: str, lookup: Lookup, earlier: Mapping[str, str]) -> None:
        self.variables: dict[str, str] = {}
        self.origins: dict[str, Origin] = {}
        self.diagnostics: list[Diagnostic] = []
        self._text = text
        self._path = path
        self._lookup = lookup
        self._earlier = earlier
        self._position = 0
        # The place of ``_counted`` characters of the text, kept so that lines are counted once.
        self._line, self._line_start, self._counted = 1, 0, 0
        self._total = 0

    def run(self) -> None:
        while True:
            self._position = _match_end(_SKIPPED, self._text, self._position)
            if self._position >= len(self._text):
                return
            self._statement()

    def _statement(self) -> None:
        start = self._position
        origin = self._origin(start)
        found = _KEY.match(self._text, start)
        if found is None:
            head = self._text[start : self._line_end(start)]
            bad = _match_end(re.compile(r"[\w.\-\[\]" + _BLANK + "]*"), head, 0)
            message = f"the character {head[bad]!r} cannot be in a variable's name"
            self._skip_line(start, message, self._origin(start + bad))
            return
        key = found["key"].strip(_BLANK)
        if " " in key or not key:
            message = "the variable's name contains a blank" if key else f"no variable name before {found['end']!r}"
            self._skip_line(start, message, origin)
            return
        self._position = found.end()
        if found["end"] in ("=", ":"):
            self._value(key, origin)
        elif (value := self._lookup(key)) is not None:
            self._set(key, value, origin)
        else:
            self.diagnostics.append(_not_inherited(key, origin))

    def _value(self, key: str, origin: Origin) -> None:
        text = self._text
        start = self._position
        while start < len(text) and text[start] in _BLANK:
            start += 1
        quote = text[start : start + 1]
        if quote in ("'", '"'):
            self._quoted(key, quote, start, origin)
            return
        end = self._line_end(start)
        self._position = end + 1
        self._expand(key, text[start:end].split(" #", 1)[0].rstrip(), origin)

    def _quoted(self, key: str, quote: str, start: int, origin: Origin) -> None:
        text = self._text
        pieces: list[str] = []
        # A backslash before the quote escapes it; before anything else both characters stay.
        for found in re.compile(rf"(?s)\\(.)|{quote}|[^\\{quote}]+|\\").finditer(text, start + 1):
            piece = found.group()
            if piece == quote:
                break
            pieces.append(quote if piece == f"\\{quote}" else piece)
        else:
            self._skip_line(start, f"the value of {key} has no closing {quote}", origin)
            return
        after = _AFTER_QUOTE.match(text, found.end())
        if after is None:
            self._skip_line(found.end(), f"there is text after the quoted value of {key}", self._origin(found.end()))
            return
        self._position = after.end()
        value = "".join(pieces)
        if quote == "'":
            self._set(key, value, origin)
        else:
            self._expand(key, _ESCAPE.sub(_unescape, value), origin)

    def _expand(self, key: str, value: str, origin: Origin) -> None:
        def lookup(name: str) -> str | None:
            outside = self._lookup(name)
            return self.variables.get(name, self._earlier.get(name)) if outside is None else outside

        def unset(name: str, offset: int) -> None:
            told = "a variable in it" if is_part_of_secret(key, value, offset) else f"the variable {name}"
            message = f"{told} is not set; an empty string takes its place in {key}"
            hint = "set it above, or quote the value with ' to keep the $"
            self.diagnostics.append(_problem(Severity.WARNING, Code.VARIABLE_NOT_SET, message, origin, hint))

        try:
            expanded = substitute(value, lookup, unset)
        except TemplateError as error:
            is_required = error.code is Code.REQUIRED_VARIABLE
            message = error.message if is_required else f"the value of {key} has a '${{' that is no variable expression"
            self.diagnostics.append(_problem(Severity.ERROR, error.code, message, origin, error.hint))
            return
        self._set(key, expanded, origin)

    def _set(self, key: str, value: str, origin: Origin) -> None:
        self._total += len(value)
        if self._total > MAX_TOTAL_LENGTH:
            message = f"the file's values grow past {MAX_TOTAL_LENGTH} characters"
            self.diagnostics.append(_problem(Severity.ERROR, Code.FILE_TOO_LARGE, message, origin))
            self._position = len(self._text)
            return
        self.variables[key], self.origins[key] = value, origin

    def _skip_line(self, start: int, message: str, origin: Origin) -> None:
        self.diagnostics.append(_problem(Severity.ERROR, Code.ENV_FILE_SYNTAX, message, origin))
        self._position = self._line_end(start) + 1

    def _line_end(self, start: int) -> int:
        end = self._text.find("\n", start)
        return len(self._text) if end < 0 else end

    def _origin(self, position: int) -> Origin:
        self._line += self._text.count("\n", self._counted, position)
        self._line_start = max(self._line_start, self._text.rfind("\n", self._counted, position) + 1)
        self._counted = position
        return Origin(self._path, self._line, position - self._line_start + 1)


def _unescape(found: re.Match[str]) -> str:
    letter, octal = found.groups()
    if letter == "$":
        return "$$"  # the expansion that follows turns it into one literal dollar sign
    if letter is not None:
        return _ESCAPES.get(letter, found.group())
    # Compose drops the 0 even where what is left is no octal escape of three digits up to 377.
    is_octal = len(octal) == 3 and octal <= "377" and octal.isascii() and not set(octal) & set("89")
    return chr(int(octal, 8)) if is_octal else f"\\{octal}"


def _decode(content: bytes, path: str) -> tuple[str, tuple[Diagnostic, ...]]:
    if len(content) > MAX_FILE_BYTES:
        message = f"the file has {len(content)} bytes; at most {MAX_FILE_BYTES} are read"
        return "", (_problem(Severity.ERROR, Code.FILE_TOO_LARGE, message, Origin(path)),)
    try:
        return content.decode("utf-8-sig"), ()
    except UnicodeDecodeError as error:
        origin = Origin(path, content.count(b"\n", 0, error.start) + 1)
        message = f"the file is not UTF-8: byte 0x{content[error.start]:02x}"
        return "", (_problem(Severity.ERROR, Code.NOT_UTF8, message, origin, "save it as UTF-8"),)


def _match_end(pattern: re.Pattern[str], text: str, position: int) -> int:
    found = pattern.match(text, position)
    return found.end() if found else position


def _not_inherited(key: str, origin: Origin) -> Diagnostic:
    message = f"{key} has no value here and is not set elsewhere; it is left out"
    hint = f"write {key}=value; the controller's own environment is never passed on"
    return _problem(Severity.WARNING, Code.VARIABLE_NOT_SET, message, origin, hint)


def _problem(severity: Severity, code: Code, message: str, origin: Origin, hint: str = "") -> Diagnostic:
    return Diagnostic(severity=severity, code=code.value, message=message, origin=origin, hint=hint)
