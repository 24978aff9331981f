"""What an application was made from is remembered exactly: nothing less, and little more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.memory_tree import Content, Link, MemoryTree, Program
from trimtab.manifest.trace import TracingTree
from trimtab.model.snapshot import EntryKind, FileTooLarge, resolve_path

FILES: dict[str, Content] = {"apps/shop/compose.yaml": "a", "apps/shop/x.env": "b", "apps/blog/compose.yaml": "c"}


def test_an_unrelated_commit_keeps_a_trace() -> None:
    tracing = TracingTree(MemoryTree(FILES))
    tracing.read(resolve_path(tracing, "apps/shop/compose.yaml"))
    trace = tracing.trace()
    assert trace.scope == "apps/shop"
    assert dict(trace.facts) == {"apps/shop/compose.yaml": trace.facts["apps/shop/compose.yaml"]}
    assert trace.holds(MemoryTree(FILES).commit({"apps/blog/compose.yaml": "d", "README": "x"}))
    assert trace.holds(MemoryTree(FILES).commit({"apps/shop/new": "beside"}))
    assert not trace.holds(MemoryTree(FILES).commit({"apps/shop/compose.yaml": "changed"}))
    assert not trace.holds(MemoryTree(FILES).commit({"apps/shop/compose.yaml": None}))
    assert not trace.holds(MemoryTree(FILES).commit({"apps/shop/compose.yaml": Program(b"a")}))
    assert not trace.holds(MemoryTree(FILES).commit({"apps/shop/compose.yaml": Link("x.env")}))


def test_a_file_that_was_looked_for_in_vain_is_part_of_it() -> None:
    tracing = TracingTree(MemoryTree(FILES))
    assert tracing.entry("apps/shop/.env") is None
    trace = tracing.trace()
    assert not trace.holds(MemoryTree(FILES).commit({"apps/shop/.env": "A=1"}))
    assert trace.holds(MemoryTree(FILES).commit({"apps/blog/.env": "A=1"}))


def test_passing_through_a_directory_depends_on_its_being_one() -> None:
    tracing = TracingTree(MemoryTree(FILES))
    entry = tracing.entry("apps/shop")
    assert entry is not None
    assert entry.kind is EntryKind.DIRECTORY
    trace = tracing.trace()
    assert trace.holds(MemoryTree(FILES).commit({"apps/shop/x.env": "other"}))
    assert not trace.holds(MemoryTree({"apps/shop": "now a file"}))


def test_looking_at_a_directorys_id_depends_on_all_below_it() -> None:
    tree = MemoryTree(FILES)
    tracing = TracingTree(tree)
    entry = tracing.entry("apps/shop")
    assert entry is not None
    assert entry.oid == tree.entry("apps/shop").oid  # type: ignore[union-attr]
    assert entry == tree.entry("apps/shop")
    assert hash(entry) == hash((entry.path, entry.kind, entry.oid))
    assert not tracing.trace().holds(tree.commit({"apps/shop/x.env": "other"}))


def test_listing_and_walking_depend_on_all_below() -> None:
    for ask in (lambda t: t.children("apps/shop"), lambda t: list(t.walk("apps/shop"))):
        tracing = TracingTree(MemoryTree(FILES))
        assert [e.path for e in ask(tracing)] == ["apps/shop/compose.yaml", "apps/shop/x.env"]
        assert not tracing.trace().holds(MemoryTree(FILES).commit({"apps/shop/new": "x"}))
        assert tracing.trace().holds(MemoryTree(FILES).commit({"apps/blog/new": "x"}))


def test_an_empty_trace_always_holds() -> None:
    assert TracingTree(MemoryTree(FILES)).trace().holds(MemoryTree({"x": "y"}))


def test_a_scope_that_is_not_there_is_no_obstacle() -> None:
    tracing = TracingTree(MemoryTree(FILES))
    tracing.entry("gone/deep/file")
    trace = tracing.trace()
    assert trace.holds(MemoryTree(FILES).commit({"z": "z"}))
    assert not trace.holds(MemoryTree(FILES).commit({"gone/deep/file": "here"}))


paths = st.sampled_from(["a", "a/b", "a/c", "d/e/f", "d/g", "h"])
files = st.dictionaries(st.sampled_from(["a/b", "a/c", "d/e/f", "d/g", "h"]), st.sampled_from(["1", "2"]), min_size=1)
questions = st.lists(st.tuples(st.sampled_from(["entry", "children", "read", "oid"]), paths), max_size=5)


def answers(tree: object, asked: list[tuple[str, str]]) -> list[object]:
    found: list[object] = []
    for verb, path in asked:
        try:
            if verb == "oid":
                entry = tree.entry(path)  # type: ignore[attr-defined]
                found.append(entry and entry.oid)
            elif verb == "entry":
                entry = tree.entry(path)  # type: ignore[attr-defined]
                found.append(entry and (entry.kind, entry.kind is EntryKind.DIRECTORY or entry.oid))
            else:
                found.append(getattr(tree, verb)(path))
        except FileNotFoundError:
            found.append("absent")
    return found


def test_what_several_stages_look_at_is_read_once_unless_it_is_large_or_asked_for_with_a_limit() -> None:
    tree = MemoryTree({"small": "x" * 100, "large": "x" * 100_000})
    tracing = TracingTree(tree)
    for _ in range(3):
        assert len(tracing.read("small", 1_000)) == 100
        assert len(tracing.read("large")) == 100_000
    assert tree.reads.count("small") == 1
    assert tree.reads.count("large") == 3
    with pytest.raises(FileTooLarge):
        tracing.read("small", 10)


@given(files, files, questions)
def test_while_a_trace_holds_every_answer_is_the_same(
    before: dict[str, str], after: dict[str, str], asked: list[tuple[str, str]]
) -> None:
    tracing = TracingTree(MemoryTree(before))
    first = answers(tracing, asked)
    if tracing.trace().holds(MemoryTree(after)):
        assert answers(MemoryTree(after), asked) == first
    assert tracing.trace().holds(MemoryTree(before))
