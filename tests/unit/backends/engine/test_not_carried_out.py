"""A setting that this version does not carry out refuses the application; it is never quietly left out."""

from __future__ import annotations

import pytest

from tests.support.memory_tree import MemoryTree
from trimtab.backends.engine.dialect import EngineDialect
from trimtab.images.resolver import TreeImageResolver
from trimtab.manifest.load import load
from trimtab.model.diagnostics import Severity

APPLICATION = """\
apiVersion: trimtab.dev/v1alpha1
kind: Application
metadata: {{name: shop}}
spec:
  {setting}
  services: {{web: {{image: busybox, volumes: ["new:/data"]}}}}
  volumes: {{new: {{}}}}
---
apiVersion: trimtab.dev/v1alpha1
kind: Destination
metadata: {{name: other}}
spec: {{host: "tcp://other.example.com:2376"}}
"""


def _told(setting: str) -> list[tuple[Severity, str]]:
    tree = MemoryTree({"app.yaml": APPLICATION.format(setting=setting).encode()})
    result = load(tree, default_name="app")
    assert not result.failed
    (app,) = result.applications
    images, problems = TreeImageResolver().choose(app, tree)
    assert not problems
    desired = EngineDialect(installation="i", seal_key=b"k").render(app, tree, "", images)
    return [(d.severity, d.code) for d in desired.diagnostics]


def _errors(setting: str) -> list[str]:
    return [code for severity, code in _told(setting) if severity is Severity.ERROR]


def test_a_project_without_rules_is_told() -> None:
    assert _told("project: payments") == [(Severity.WARNING, "TT2144")]
    assert _told("project: default") == []


def test_it_is_refused() -> None:
    assert _errors("destination: {name: other}") == ["TT2142"]


@pytest.mark.parametrize("setting", ["destination: {name: local}", "syncPolicy: {retry: {limit: -1}}"])
def test_its_default_is_not(setting: str) -> None:
    assert _errors(setting) == []
