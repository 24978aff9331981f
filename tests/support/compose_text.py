"""Compose models from text, without files: for tests of single stages of the loader."""

from __future__ import annotations

from textwrap import dedent

from trimtab.manifest.compose.canonical import canonical, complete
from trimtab.manifest.nodes import MappingNode, to_plain
from trimtab.manifest.yaml_nodes import parse
from trimtab.model.diagnostics import Diagnostic

PATH = "compose.yaml"


def node_of(text: str) -> MappingNode:
    """The only document of ``text``, which is well formed."""
    (document,), diagnostics = parse(dedent(text).encode(), PATH)
    assert diagnostics == ()
    assert isinstance(document, MappingNode)
    return document


def long_form(text: str) -> tuple[MappingNode, tuple[Diagnostic, ...]]:
    """``text`` in canonical form, and what could not be read."""
    return canonical(node_of(text), path=PATH)


def service(attributes: str) -> tuple[dict[str, object], list[str]]:
    """One service's attributes, read and completed; diagnostics as "CODE line:column"."""
    indented = "\n".join(f"    {line}" for line in dedent(attributes).strip().splitlines())
    model, diagnostics = long_form(f"services:\n  web:\n{indented}\n")
    plain = to_plain(complete(model))
    assert isinstance(plain, dict)
    return plain["services"]["web"], [str(one.code) for one in diagnostics]
