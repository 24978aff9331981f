"""A build's reason: the files of its context that differ, as instructions see them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.support.memory_tree import Content, MemoryTree, Program
from trimtab.images.buildkey import BuildSpec, build_plan
from trimtab.images.changedfiles import changed_files
from trimtab.model.diagnostics import Origin

FILES: dict[str, Content] = {
    "services/web/Dockerfile": "FROM x\n",
    "services/web/.dockerignore": "*.md\n",
    "services/web/index.html": "1",
    "services/web/css/style.css": "1",
    "services/web/notes.md": "1",
    "services/api/main.py": "1",
    "Dockerfile.shared": "FROM y\n",
}


def told(changes: Mapping[str, Content | None], build: Mapping[str, object] | None = None) -> str:
    before = MemoryTree(FILES)
    after = before.commit(changes)
    spec, problems = build_plan(after, build or {"context": "services/web"}, origin=Origin("compose.yaml", 1, 1))
    assert isinstance(spec, BuildSpec), problems
    return changed_files(spec, after, before)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"services/web/index.html": "2", "services/web/css/style.css": "2"}, "css/style.css, index.html changed"),
        ({"services/web/index.html": None, "services/web/new/a.html": "1"}, "index.html, new/a.html changed"),
        ({"services/web/index.html": Program(b"1")}, "index.html changed"),
        ({"services/web/css/style.css": None, "services/web/css": "a file now"}, "css, css/style.css changed"),
        ({"services/web/Dockerfile": "FROM z\n", "services/web/a": "1"}, "Dockerfile, a changed"),
        ({f"services/web/{n}": "1" for n in range(5)}, "0, 1, 2 and 2 more changed"),
        ({f"services/web/{n:03}": "1" for n in range(300)}, "000, 001, 002 and 97 or more others changed"),
    ],
)
def test_the_files_that_differ_are_named_and_only_a_few(changes: dict[str, Content | None], sentence: str) -> None:
    assert told(changes) == f"services/web: {sentence}"


def test_what_is_not_in_the_context_or_left_out_of_it_is_no_reason() -> None:
    assert told({"services/web/notes.md": "2", "services/api/main.py": "2"}) == ""


def test_what_steers_the_build_counts_wherever_it_is() -> None:
    outside = {"context": "services/web", "dockerfile": "../../Dockerfile.shared"}
    assert told({"Dockerfile.shared": "FROM z\n"}, outside) == "services/web: ../../Dockerfile.shared changed"
    hidden: dict[str, Content | None] = {"services/web/.dockerignore": "*.md\nDockerfile\n.dockerignore\n"}
    assert told(hidden) == "services/web: .dockerignore changed"


def test_a_context_at_the_root_needs_no_name() -> None:
    assert told({"Dockerfile": "FROM x\n", "a": "1"}, {"context": "."}) == "Dockerfile, a changed"


def test_directories_that_are_the_same_are_not_entered() -> None:
    before = MemoryTree({**FILES, **{f"services/web/big/{n}": "1" for n in range(10)}})
    after = before.commit({"services/web/index.html": "2"})
    spec, _ = build_plan(after, {"context": "services/web"}, origin=Origin("compose.yaml", 1, 1))
    before.listings.clear()
    after.listings.clear()
    assert changed_files(spec, after, before) == "services/web: index.html changed"
    assert set(before.listings + after.listings) == {"services/web"}


def test_instructions_of_another_kind_have_no_files() -> None:
    assert changed_files(object(), MemoryTree({}), MemoryTree({})) == ""
