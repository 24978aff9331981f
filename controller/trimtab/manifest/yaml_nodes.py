"""YAML text to nodes with places: the only YAML parser of the project.

It works on the event stream of PyYAML's C parser, not on its composer, so that limits hold
before memory is spent and every node knows its file, line and column.

Source: https://yaml.org/spec/1.2.2/#103-core-schema; compose-go parses with go.yaml.in/yaml/v3.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import yaml

from trimtab.manifest.codes import Code
from trimtab.manifest.nodes import MappingNode, Node, Scalar, SequenceNode
from trimtab.manifest.yaml_scalars import finite, resolve_plain
from trimtab.model.diagnostics import Diagnostic, Origin, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trimtab.manifest.nodes import ScalarValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one file may cost: bytes as stored, nodes after aliases are expanded, levels of nesting."""

    max_bytes: int = 1024 * 1024
    max_nodes: int = 100_000
    max_depth: int = 100


DEFAULT_LIMITS = Limits()

_CORE = "tag:yaml.org,2002:"
_STARTS = (yaml.MappingStartEvent, yaml.SequenceStartEvent)
_ENDS = (yaml.MappingEndEvent, yaml.SequenceEndEvent)
# The tags by which a compose file steers merging; Source: Compose Specification, 13-merge.md.
_MERGE_TAGS = frozenset({"!reset", "!override"})


def parse(text: bytes, path: str, limits: Limits = DEFAULT_LIMITS) -> tuple[tuple[Node, ...], tuple[Diagnostic, ...]]:
    """Every non-empty document of a YAML file, and every problem found in it.

    Documents before a syntax error are still returned; a document with other problems is
    returned without the offending parts.
    """
    if len(text) > limits.max_bytes:
        message = f"the file has {len(text)} bytes; at most {limits.max_bytes} are read"
        return (), (_error(Code.FILE_TOO_LARGE, message, Origin(path), "split it, for example with `include`"),)
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The bytes before the bad one decode, else they would have been the bad ones.
        before = text[: error.start].decode("utf-8-sig", "replace")
        message = f"the file is not UTF-8: byte 0x{text[error.start]:02x}"
        return (), (_error(Code.NOT_UTF8, message, _place_after(before, path), "save it as UTF-8"),)
    composer = _Composer(yaml.CSafeLoader(decoded), path, limits)
    try:
        composer.run()
    except _GiveUpError as stop:
        composer.diagnostics.append(stop.diagnostic)
    except yaml.reader.ReaderError as error:
        before = decoded[: error.position]
        message = f"the character U+{ord(decoded[error.position]):04X} is not allowed in YAML"
        composer.diagnostics.append(_error(Code.YAML_SYNTAX, message, _place_after(before, path)))
    except yaml.MarkedYAMLError as error:
        composer.diagnostics.append(_syntax_error(error, path))
    return tuple(composer.documents), tuple(composer.diagnostics)


class _GiveUpError(Exception):
    """Reading further makes no sense."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


@dataclass(slots=True)
class _Frame:
    """A collection whose end has not been read yet; ``size`` counts the nodes below it, aliases expanded."""

    origin: Origin
    is_mapping: bool
    anchor: str | None
    tag: str
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Node] = field(default_factory=dict)
    key_origins: dict[str, Origin] = field(default_factory=dict)
    merges: list[tuple[Node, Origin]] = field(default_factory=list)
    key: _Key | None = None
    size: int = 1


@dataclass(frozen=True, slots=True)
class _Key:
    """A mapping's key whose value comes next; without ``name`` the value is dropped."""

    name: str | None
    origin: Origin
    is_merge: bool = False


class _Composer:
    """Builds nodes from events, one explicit stack instead of recursion."""

    def __init__(self, loader: yaml.CSafeLoader, path: str, limits: Limits) -> None:
        self.documents: list[Node] = []
        self.diagnostics: list[Diagnostic] = []
        self._loader = loader
        self._path = path
        self._limits = limits
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._total = 0

    def run(self) -> None:
        """Read all events; what is complete is in ``documents`` even if this raises."""
        next_event = self._loader.get_event
        while (event := next_event()) is not None:
            # By how many there are of them; nothing is read more often than this.
            if isinstance(event, yaml.ScalarEvent):
                self._scalar(event)
            elif isinstance(event, _STARTS):
                self._open(event)
            elif isinstance(event, _ENDS):
                self._close()
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event)
            elif isinstance(event, yaml.DocumentStartEvent):
                self._anchors.clear()
            elif isinstance(event, yaml.StreamEndEvent):
                return

    def _origin(self, event: yaml.Event) -> Origin:
        mark = event.start_mark
        return Origin(self._path, mark.line + 1, mark.column + 1) if mark else Origin(self._path)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        origin = self._origin(event)
        start, end, text = event.start_mark, event.end_mark, event.value
        length = max(1, end.column - start.column) if start and end and start.line == end.line else 1
        quoted = bool(event.style)
        tag: str = ""
        value: ScalarValue
        if event.tag is None:
            # Names and values say mostly the same all over a repository: each text is kept once.
            value = sys.intern(text) if quoted else self._finite(text, origin)
        else:
            tag, value = self._resolve(event.tag, text, origin, quoted=quoted)
        node = Scalar(value=value, origin=origin, length=length, quoted=quoted, tag=tag)
        plain_merge = text == "<<" and not quoted and event.tag is None
        self._add(node, 1, event.anchor, is_merge_key=plain_merge)

    def _resolve(self, tag: str, text: str, origin: Origin, *, quoted: bool) -> tuple[str, ScalarValue]:
        """The kept tag and the value of a scalar with a tag."""
        if tag in _MERGE_TAGS:
            return tag, text if quoted else self._finite(text, origin)
        if tag in ("!", f"{_CORE}str"):
            return "", text
        wanted = {f"{_CORE}int": int, f"{_CORE}float": float, f"{_CORE}bool": bool, f"{_CORE}null": type(None)}.get(tag)
        if wanted is None:
            self._unknown_tag(tag, origin)
            return "", text
        value = self._finite(text, origin)
        if wanted is float and type(value) is int:
            value = float(value)
        if type(value) is not wanted:
            shown = tag.replace(_CORE, "!!")
            # The value is not shown: it may be a password.
            self._report(Code.BAD_SCALAR, f"the value is not one of type {shown}", origin)
        return "", value

    def _finite(self, text: str, origin: Origin) -> ScalarValue:
        if not finite(text):
            message = f"{text} is a number that no JSON document and no engine can take"
            self._report(Code.BAD_SCALAR, message, origin, "quote it if text is meant")
            return text
        value = resolve_plain(text)
        return sys.intern(value) if isinstance(value, str) else value

    def _alias(self, event: yaml.AliasEvent) -> None:
        name = str(event.anchor)
        origin = self._origin(event)
        if any(frame.anchor == name for frame in self._stack):
            raise _GiveUpError(_error(Code.BAD_ALIAS, f"the anchor '{name}' contains itself", origin))
        if name not in self._anchors:
            hint = "an anchor must stand before its aliases, in the same document"
            self._report(Code.BAD_ALIAS, f"the alias '*{name}' names no anchor", origin, hint)
            self._add(Scalar(value=None, origin=origin, length=len(name) + 1), 1, None)
            return
        node, size = self._anchors[name]
        self._add(node, size, None, key_origin=origin)

    def _open(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        origin = self._origin(event)
        if len(self._stack) >= self._limits.max_depth:
            message = f"the file nests deeper than {self._limits.max_depth} levels"
            raise _GiveUpError(_error(Code.TOO_DEEP, message, origin))
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        tag = event.tag or ""
        if tag in ("!", f"{_CORE}map" if is_mapping else f"{_CORE}seq"):
            tag = ""
        if tag and tag not in _MERGE_TAGS:
            self._unknown_tag(tag, origin)
            tag = ""
        self._stack.append(_Frame(origin=origin, is_mapping=is_mapping, anchor=event.anchor, tag=tag))

    def _close(self) -> None:
        frame = self._stack.pop()
        node: Node
        if frame.is_mapping:
            self._apply_merges(frame)
            node = MappingNode(items=frame.entries, origin=frame.origin, key_origins=frame.key_origins, tag=frame.tag)
        else:
            node = SequenceNode(items=tuple(frame.items), origin=frame.origin, tag=frame.tag)
        # The nodes below were counted when they were added.
        self._total -= frame.size - 1
        self._add(node, frame.size, frame.anchor)

    def _apply_merges(self, frame: _Frame) -> None:
        """Own keys win over merged ones, and earlier merged mappings over later ones."""
        for value, origin in frame.merges:
            sources: Iterable[Node] = value.items if isinstance(value, SequenceNode) else (value,)
            for source in sources:
                if not isinstance(source, MappingNode):
                    message = "the value of a merge key '<<' is a mapping or a list of mappings"
                    self._report(Code.BAD_MERGE_KEY, message, origin)
                    continue
                for key, item in source.items.items():
                    if key not in frame.entries:
                        frame.entries[key] = item
                        frame.key_origins[key] = source.key_origin(key)

    def _add(
        self, node: Node, size: int, anchor: str | None, *, is_merge_key: bool = False, key_origin: Origin | None = None
    ) -> None:
        self._total += size
        if self._total > self._limits.max_nodes:
            message = f"the file expands to more than {self._limits.max_nodes} values"
            hint = "an alias counts as all it stands for"
            raise _GiveUpError(_error(Code.TOO_MANY_NODES, message, node.origin, hint))
        if anchor is not None:
            self._anchors[anchor] = (node, size)
        if not self._stack:
            if not (isinstance(node, Scalar) and node.value is None):
                self.documents.append(node)
            return
        frame = self._stack[-1]
        frame.size += size
        if not frame.is_mapping:
            frame.items.append(node)
        elif frame.key is None:
            frame.key = self._as_key(frame, node, key_origin or node.origin, is_merge=is_merge_key)
        else:
            key, frame.key = frame.key, None
            if key.is_merge:
                frame.merges.append((node, key.origin))
            elif key.name is not None:
                frame.entries[key.name] = node
                frame.key_origins[key.name] = key.origin

    def _as_key(self, frame: _Frame, node: Node, origin: Origin, *, is_merge: bool) -> _Key:
        if is_merge:
            if frame.merges:
                message = f"the key '<<' is already defined at line {frame.merges[0][1].line}"
                self._report(Code.DUPLICATE_KEY, message, origin, "merge several mappings with one list: <<: [*a, *b]")
            return _Key(None, origin, is_merge=True)
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            shown = f"{_shown(node.value)} is" if isinstance(node, Scalar) else "a list or mapping is"
            self._report(Code.KEY_NOT_STRING, f"{shown} not a string, and keys must be", origin, "quote it")
            return _Key(None, origin)
        if node.value in frame.entries:
            first = frame.key_origins[node.value]
            message = f"the key '{node.value}' is already defined at line {first.line}"
            self._report(Code.DUPLICATE_KEY, message, origin, "keep one of the two", length=len(node.value))
            return _Key(None, origin)
        return _Key(node.value, origin)

    def _unknown_tag(self, tag: str, origin: Origin) -> None:
        shown = tag.replace(_CORE, "!!")
        hint = "write plain data; only !reset, !override and the core tags (!!str, !!int, ...) are read"
        self._report(Code.UNKNOWN_TAG, f"the YAML tag {shown} is not supported", origin, hint, length=len(shown))

    def _report(self, code: Code, message: str, origin: Origin, hint: str = "", length: int = 1) -> None:
        self.diagnostics.append(_error(code, message, origin, hint, length))


def _shown(value: ScalarValue) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _place_after(before: str, path: str) -> Origin:
    return Origin(path, before.count("\n") + 1, len(before) - before.rfind("\n"))


def _syntax_error(error: yaml.MarkedYAMLError, path: str) -> Diagnostic:
    mark = error.problem_mark or error.context_mark
    origin = Origin(path, mark.line + 1, mark.column + 1) if mark else Origin(path)
    message = error.problem or "not well-formed YAML"
    if error.context:
        since = f" (from line {error.context_mark.line + 1})" if error.context_mark else ""
        message = f"{message} {error.context}{since}"
    hint = "indent with spaces; YAML allows no tabs there" if "'\\t'" in message or "tab" in message else ""
    return _error(Code.YAML_SYNTAX, message, origin, hint)


def _error(code: Code, message: str, origin: Origin, hint: str = "", length: int = 1) -> Diagnostic:
    return Diagnostic(
        severity=Severity.ERROR, code=code.value, message=message, origin=origin, hint=hint, length=length
    )
