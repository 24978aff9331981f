"""Work is proportional to what a commit changes, and never gives another answer than starting afresh."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.memory_tree import Content, Link, MemoryTree
from trimtab.manifest.load import LoadCache, LoadResult, load

APP = "apiVersion: trimtab.dev/v1alpha1\nkind: Application\nmetadata: {name: %s}\n"
WEB = "services: {web: {image: web}}\n"


def monorepo(count: int) -> dict[str, Content]:
    files: dict[str, Content] = {"base/common.yaml": "services: {base: {image: base}}\n"}
    for n in range(count):
        files[f"apps/a{n}/app.yaml"] = APP % f"a{n}" + "spec: {compose: {files: [compose.yaml]}}\n"
        files[f"apps/a{n}/compose.yaml"] = WEB
    return files


def test_one_changed_application_of_many_is_loaded_alone() -> None:
    tree, cache = MemoryTree(monorepo(50)), LoadCache()
    load(tree, default_name="x", cache=cache)
    assert cache.loaded == 50
    following = tree.commit({"apps/a7/compose.yaml": "services: {web: {image: new}}\n", "docs/readme.md": "x"})
    result = load(following, default_name="x", cache=cache)
    assert cache.loaded == 1
    assert set(following.reads) == {"apps/a7/app.yaml", "apps/a7/compose.yaml"}
    assert set(following.listings) == {"", "apps", "apps/a7", "docs"}
    assert len(result.applications) == 50
    assert result.applications[-2].key.name == "a8"


def test_an_unrelated_commit_loads_nothing_and_the_same_commit_does_nothing() -> None:
    tree, cache = MemoryTree(monorepo(5)), LoadCache()
    first = load(tree, default_name="x", cache=cache)
    following = tree.commit({"README.md": "changed"})
    again = load(following, default_name="x", cache=cache)
    assert (cache.loaded, following.reads, again) == (0, [], first)
    following.listings.clear()
    assert load(following, default_name="x", cache=cache) is again
    assert following.listings == []


def test_a_shared_file_reloads_those_that_read_it() -> None:
    files = monorepo(3)
    files["apps/a1/compose.yaml"] = "services: {web: {extends: {file: ../../base/common.yaml, service: base}}}\n"
    tree, cache = MemoryTree(files), LoadCache()
    load(tree, default_name="x", cache=cache)
    result = load(tree.commit({"base/common.yaml": "services: {base: {image: new}}\n"}), default_name="x", cache=cache)
    assert cache.loaded == 1
    assert result.applications[1].compose.services["web"]["image"] == "new"


def test_a_file_that_appears_reloads_those_that_looked_for_it() -> None:
    tree, cache = (
        MemoryTree({"a/compose.yaml": "services: {w: {image: '${X:-old}'}}\n", "b/compose.yaml": WEB}),
        LoadCache(),
    )
    load(tree, default_name="x", cache=cache)
    result = load(tree.commit({"a/.env": "X=new\n"}), default_name="x", cache=cache)
    assert cache.loaded == 1
    assert result.applications[0].compose.services["w"]["image"] == "new"


def test_other_variables_or_another_path_are_another_question() -> None:
    tree, cache = MemoryTree({"a/compose.yaml": "services: {w: {image: '$X'}}\n"}), LoadCache()
    load(tree, default_name="x", cache=cache, environment={"X": "1"})
    result = load(tree, default_name="x", cache=cache, environment={"X": "2"})
    assert result.applications[0].compose.services["w"]["image"] == "2"
    assert load(tree, default_name="x", cache=cache, environment={"X": "2"}, excludes=["a"]).applications == ()


def test_a_trace_tells_what_an_application_was_made_from() -> None:
    tree = MemoryTree(monorepo(2))
    (first, _) = load(tree, default_name="x").traces.items()
    key, trace = first
    assert key.name == "a0"
    assert {path for path, fact in trace.facts.items() if fact} == {"apps/a0/app.yaml", "apps/a0/compose.yaml"}
    assert trace.scope == "apps/a0"


contents: st.SearchStrategy[Content] = st.sampled_from(
    [
        WEB,
        "services: {web: {image: other, ports: ['80:80']}}\n",
        "services: {web: {image: '${X:-none}'}}\nx-trimtab: {dependsOn: [{name: b}]}\n",
        "services: {web: {extends: {file: ../b/compose.yaml, service: web}}}\n",
        "services: {",
        APP % "shop",
        APP % "b",
        APP % "shop" + "spec: {compose: {files: [../b/compose.yaml]}}\n",
        APP % "shop" + "spec: {",
        APP % "one" + "spec: {services: {w: {image: x}}}\n---\n" + APP % "two" + "spec: {services: {w: {image: y}}}\n",
        "X=1\n",
        Link("../b/compose.yaml"),
        Link("/etc/passwd"),
    ]
)
paths = st.sampled_from(["compose.yaml", "a/compose.yaml", "a/app.yaml", "a/.env", "b/compose.yaml", "b/c/x.yaml"])
changes = st.dictionaries(paths, st.none() | contents, max_size=3)


@settings(max_examples=80, deadline=None)
@given(st.lists(changes, min_size=1, max_size=4), st.sampled_from(["", "a", "b"]))
def test_with_a_cache_every_commit_loads_as_without_one(commits: list[dict[str, Content | None]], path: str) -> None:
    tree, cache = MemoryTree({}), LoadCache()
    for commit in commits:
        tree = tree.commit(commit)
        cached: LoadResult = load(tree, path=path, default_name="root", cache=cache)
        afresh = load(MemoryTree(tree.files), path=path, default_name="root")
        assert replace(cached, traces={}) == replace(afresh, traces={})
        # The id of a scope is that of the commit in which an application was loaded; it is a shortcut only.
        assert {k: t.facts for k, t in cached.traces.items()} == {k: t.facts for k, t in afresh.traces.items()}
