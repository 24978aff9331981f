"""Invariants of loading, searched for: I4 (held, never gone) and I12 (one bad application stops no other)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.memory_tree import Content, Link, MemoryTree, Program, Submodule
from trimtab.manifest.load import LoadResult, load
from trimtab.model.diagnostics import has_errors

APP = "apiVersion: trimtab.dev/v1alpha1\nkind: Application\nmetadata: {name: %s}\nspec: {services: {w: {image: x}}}\n"
WEB = "services: {web: {image: web}}\n"

GOOD: dict[str, Content] = {
    "good/one/compose.yaml": WEB,
    "good/two/app.yaml": APP % "second",
    "good/three/app.yaml": APP % "third" + "---\n" + APP % "fourth",
}

VICTIMS = {"bad/plain/compose.yaml": WEB, "bad/declared/app.yaml": APP % "declared"}


def corrupted(original: str) -> st.SearchStrategy[Content]:
    """What can become of a file: cut, spliced, replaced, another type."""
    text = original.encode()
    cut = st.integers(1, len(text) - 1)
    noise = st.binary(min_size=1, max_size=6) | st.sampled_from(
        [
            b"\t",
            b"{",
            b"[",
            b"}",
            b"&a",
            b"*a",
            b"!!python/object:os.system",
            b"\x00",
            b"\n",
            b": ",
            b"---\n",
            b"<<: ",
            b"'",
        ]
    )
    spliced = st.builds(lambda at, part: text[:at] + part + text[at:], cut, noise)
    replaced = st.builds(lambda at, part: text[:at] + part + text[at + len(part) :], cut, noise)
    return st.one_of(
        spliced,
        replaced,
        st.builds(Program, spliced),
        st.sampled_from([Link("/etc/passwd"), Link("../../../x"), Link("app.yaml"), Link("compose.yaml"), Submodule()]),
    )


def keys(result: LoadResult) -> set[str]:
    return {str(app.key) for app in result.applications}


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(st.sampled_from(sorted(VICTIMS)).flatmap(lambda path: st.tuples(st.just(path), corrupted(VICTIMS[path]))))
def test_i12_one_bad_file_never_stops_the_good_ones(change: tuple[str, Content]) -> None:
    path, content = change
    result = load(MemoryTree({**GOOD, **VICTIMS, path: content}), default_name="root")
    untouched = {"one", "second", "third", "fourth", *({"plain"} if "declared" in path else {"declared"})}
    # A corrupted name may by chance be that of another, which is then rightly held with it.
    held_twice = {str(f.key) for f in result.failed if f.key} & untouched
    assert untouched - held_twice <= keys(result)
    if content not in (Link("app.yaml"), Link("compose.yaml")):
        assert not held_twice or any(d.code == "TT1521" for d in result.diagnostics)


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(st.sampled_from(sorted(VICTIMS)).flatmap(lambda path: st.tuples(st.just(path), corrupted(VICTIMS[path]))))
def test_an_application_is_loaded_or_failed_and_never_both_and_errors_have_places(change: tuple[str, Content]) -> None:
    path, content = change
    tree = MemoryTree({**GOOD, **VICTIMS, path: content})
    result = load(tree, default_name="root")
    assert not keys(result) & {str(f.key) for f in result.failed if f.key}
    assert [str(a.key) for a in result.applications] == sorted(str(a.key) for a in result.applications)
    for diagnostic in result.diagnostics:
        assert diagnostic.origin.path
        assert diagnostic.message
        assert diagnostic.code.startswith("TT1")
        assert diagnostic.code != "TT1799", diagnostic
    for failed in result.failed:
        assert failed.diagnostics
    assert result == load(tree, default_name="root")


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(corrupted(VICTIMS["bad/declared/app.yaml"]))
def test_i4_a_manifest_that_no_longer_loads_holds_what_it_declared(content: Content) -> None:
    before = load(MemoryTree({**GOOD, **VICTIMS}), default_name="root")
    (declared,) = (app for app in before.applications if app.key.name == "declared")
    after = load(MemoryTree({**GOOD, **VICTIMS, "bad/declared/app.yaml": content}), default_name="root")
    if "declared" in keys(after) or any(f.holds(declared.key, declared.origin.path) for f in after.failed):
        return
    # Otherwise the file says, readably, something else: another name, or nothing of ours.
    data = content.content if isinstance(content, Program) else content
    assert isinstance(data, bytes)
    others = [f for f in after.failed if f.path == "bad/declared/app.yaml" and f.key]
    renamed = [app for app in after.applications if app.origin.path == "bad/declared/app.yaml"]
    ours = any(d.origin.path == "bad/declared/app.yaml" and has_errors((d,)) for d in after.diagnostics)
    assert others or renamed or not ours
