"""Ours against the real ``docker compose config``: the same document, and the same refusals with a place."""

from __future__ import annotations

import json

import pytest

from tests.oracle.cases import Case, ask_compose, cases, plugin_version
from tests.support.memory_tree import MemoryTree
from trimtab.manifest.compose.config_text import config_document
from trimtab.manifest.compose.load import ComposeResult, load_compose
from trimtab.manifest.compose.shapes import Style
from trimtab.model.diagnostics import Severity

CORPUS, REJECTED = cases("corpus"), cases("rejected")
# The case's directory inside the tree, so that "../x" stays in the repository.
ROOT = "case"
needs_compose = pytest.mark.skipif(not plugin_version().startswith("2.40"), reason="docker compose 2.40 is not here")


def _load(case: Case) -> ComposeResult:
    files = {
        f"{ROOT}/{path.relative_to(case.directory).as_posix()}": path.read_bytes()
        for path in sorted(case.directory.rglob("*"))
        if path.is_file()
    }
    return load_compose(
        MemoryTree(files),
        [f"{ROOT}/{name}" for name in case.files],
        project_name=case.name,
        profiles=case.profiles,
        env_files=[f"{ROOT}/{name}" for name in case.env_files],
        environment=case.environment,
        check_files=False,
    )


def _name(case: Case) -> str:
    return case.name


@pytest.mark.parametrize("style", Style, ids=lambda style: style.value)
@pytest.mark.parametrize("case", CORPUS, ids=_name)
def test_the_document_is_composes(case: Case, style: Style) -> None:
    result = _load(case)
    assert result.project is not None, [str(one) for one in result.diagnostics]
    document = config_document(result.project, working_dir="/", style=style)
    expected = json.loads(case.expected(style).read_text(encoding="utf-8"))
    # Models are no part of a project; in JSON Compose leaves them out as well.
    expected.pop("models", None)
    assert document == expected


@pytest.mark.parametrize("case", REJECTED, ids=_name)
def test_what_compose_refuses_is_refused_with_a_place(case: Case) -> None:
    result = _load(case)
    assert result.project is None
    errors = [one for one in result.diagnostics if one.severity is Severity.ERROR]
    assert [f"{one.code} {str(one.origin).removeprefix(f'{ROOT}/')}" for one in errors] == list(case.problems)
    assert all(one.message and one.origin.line for one in errors)


@needs_compose
@pytest.mark.slow
@pytest.mark.parametrize("case", CORPUS, ids=_name)
def test_the_stored_document_is_what_compose_prints(case: Case) -> None:
    document, message = ask_compose(case)
    assert document == json.loads(case.expected(Style.JSON).read_text(encoding="utf-8")), message


@needs_compose
@pytest.mark.slow
@pytest.mark.parametrize("case", REJECTED, ids=_name)
def test_compose_still_refuses(case: Case) -> None:
    # Which of several problems Compose names first depends on the order of its maps.
    document, message = ask_compose(case)
    assert document is None
    assert message
