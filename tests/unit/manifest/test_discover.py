"""Applications are found by what files hold, cheaply, and nothing that may be ours is taken for absent."""

from __future__ import annotations

import pytest

from tests.support.memory_tree import Content, Link, MemoryTree, Submodule
from trimtab.manifest.discover import Found, default_files, discover
from trimtab.model.keys import AppKey

APP = "apiVersion: trimtab.dev/v1alpha1\nkind: Application\nmetadata: {name: %s}\n"


def find(files: dict[str, Content], path: str = "", *excludes: str) -> Found:
    return discover(MemoryTree(files), path, excludes)[0]


def test_documents_are_found_by_content_wherever_they_are() -> None:
    found = find(
        {
            "a.yml": APP % "one" + "---\n" + APP % "two",
            "deep/down/x.yaml": APP % "three",
            "k8s.yaml": "apiVersion: apps/v1\nkind: Deployment\n",
            "readme.md": APP % "no",
            "notes.yaml": "text: 'see apiVersion trimtab.dev/v1alpha1'\n",
        }
    )
    assert [(h.path, h.index, h.key) for h in found.headers] == [
        ("a.yml", 0, AppKey("default", "one")),
        ("a.yml", 1, AppKey("default", "two")),
        ("deep/down/x.yaml", 0, AppKey("default", "three")),
    ]
    assert found.unreadable == ()


def test_compose_files_are_found_by_name() -> None:
    found = find({"a/compose.yaml": "", "b/docker-compose.yml": "", "c/compose.prod.yaml": "", "compose.yml": ""})
    assert found.compose_files == ("a/compose.yaml", "b/docker-compose.yml", "compose.yml")


def test_a_compose_file_name_with_our_document_is_no_compose_file() -> None:
    found = find({"compose.yaml": APP % "x"})
    assert found.compose_files == ()
    assert len(found.headers) == 1


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("node_modules", ["a/b/compose.yaml", "x.d/compose.yaml"]),
        ("a", ["x.d/compose.yaml"]),
        ("/a/", ["a/node_modules/compose.yaml", "x.d/compose.yaml"]),
        ("a/**", ["x.d/compose.yaml"]),
        ("**/b", ["a/node_modules/compose.yaml", "x.d/compose.yaml"]),
        ("a/*/compose.yaml", ["x.d/compose.yaml"]),
        ("x?d", ["a/b/compose.yaml", "a/node_modules/compose.yaml"]),
        ("x[.]d", ["a/b/compose.yaml", "a/node_modules/compose.yaml", "x.d/compose.yaml"]),
    ],
)
def test_excludes_are_globs(pattern: str, left: list[str]) -> None:
    files: dict[str, Content] = {"a/b/compose.yaml": "", "a/node_modules/compose.yaml": "", "x.d/compose.yaml": ""}
    if pattern == "/a/":
        left = ["x.d/compose.yaml"]
    assert list(find(files, "", pattern).compose_files) == left


def test_only_what_is_below_the_path_is_found() -> None:
    files: dict[str, Content] = {"a/compose.yaml": "", "b/compose.yaml": "", "ab/compose.yaml": ""}
    assert find(files, "a").compose_files == ("a/compose.yaml",)


@pytest.mark.parametrize(
    "content",
    [
        (APP % "x" + "spec: {").encode(),
        (APP % "x").encode() + b"\xff\xfe",
        (APP % "x").encode("utf-16"),
        (APP % "x" + "x: &a [*a]\n").encode(),
        (APP % "x" + "x: " + "[" * 500 + "]" * 500).encode(),
        (APP % "x").encode() + b"#" * 2_000_000,
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n",
    ],
    ids=["syntax", "not UTF-8", "UTF-16", "endless alias", "too deep", "too large", "LFS"],
)
def test_a_file_that_may_be_ours_and_cannot_be_read_is_not_taken_for_absent(content: bytes) -> None:
    found = find({"x.yaml": content, "good.yaml": APP % "good"})
    assert [u.path for u in found.unreadable] == ["x.yaml"]
    assert found.unreadable[0].diagnostics
    assert AppKey("default", "good") in [h.key for h in found.headers]


def test_a_broken_file_that_only_mentions_us_is_left_alone() -> None:
    assert find({"chart.yaml": "# made for trimtab.dev/v1alpha1\n{{ if }}\n"}) == Found()


def test_documents_before_a_syntax_error_are_found_and_the_rest_is_not_known() -> None:
    found = find({"x.yaml": APP % "good" + "---\n" + APP % "bad" + "spec: [\n"})
    assert [h.key for h in found.headers] == [AppKey("default", "good")]
    assert [u.path for u in found.unreadable] == ["x.yaml"]


def test_a_broken_file_claims_its_directory_and_those_of_files_it_mentions() -> None:
    found = find({"apps/all.yaml": APP % "x" + "spec: {compose: {files: [shop/compose.yaml}}\n"})
    assert set(found.unreadable[0].claims) >= {"apps", "apps/shop"}


@pytest.mark.parametrize("target", ["/etc/passwd", "../../x.yaml", "nowhere.yaml", "self.yaml"])
def test_a_link_out_of_the_tree_or_to_nothing_is_told_and_not_followed(target: str) -> None:
    found = find({"self.yaml": Link(target)})
    assert [u.path for u in found.unreadable] == ["self.yaml"]
    assert found.headers == ()


def test_a_link_to_a_manifest_outside_of_the_path_is_read_and_one_inside_is_not_read_twice() -> None:
    files: dict[str, Content] = {"base/x.yaml": APP % "x", "prod/x.yaml": Link("../base/x.yaml")}
    assert [h.path for h in find(files, "prod").headers] == ["prod/x.yaml"]
    assert [h.path for h in find(files).headers] == ["base/x.yaml"]


def test_a_link_to_something_else_outside_of_the_path_does_not_matter() -> None:
    assert find({"prod/LICENSE": Link("../LICENSE"), "LICENSE": "x"}, "prod") == Found(links=("prod/LICENSE",))


def test_a_broken_file_claims_the_path_of_its_source() -> None:
    found = find({"x.yaml": APP % "x" + "spec: {source: {path: deploy}, compose: {files: [sub/c.yaml}}\n"})
    assert set(found.unreadable[0].claims) >= {"", "deploy", "deploy/sub"}


def test_a_link_to_a_directory_outside_of_the_path_and_a_submodule_are_told() -> None:
    found = find({"prod/a": Link("../base"), "base/compose.yaml": "", "prod/sub": Submodule()}, "prod")
    assert [(u.path, u.diagnostics[0].code) for u in found.unreadable] == [
        ("prod/sub", "TT1526"),
        ("prod/a", "TT1525"),
    ]


def test_a_linked_compose_file_counts_as_one() -> None:
    assert find({"a/compose.yaml": Link("../base.yaml"), "base.yaml": ""}).compose_files == ("a/compose.yaml",)


def test_unchanged_directories_and_files_are_not_looked_at_again() -> None:
    tree = MemoryTree({f"{team}/{app}/compose.yaml": team + app for team in "abc" for app in "xyz"} | {"f.yaml": "1"})
    found, visited = discover(tree)
    following = tree.commit({"b/y/compose.yaml": "changed", "b/y/new.yaml": APP % "new"})
    again, _ = discover(following, "", (), visited)
    assert following.listings == ["", "b", "b/y"]
    assert sorted(following.reads) == ["b/y/compose.yaml", "b/y/new.yaml"]
    assert again == discover(following)[0]
    assert again != found


def test_the_default_files_are_those_of_docker_compose() -> None:
    tree = MemoryTree(
        {
            "a/compose.yml": "",
            "a/docker-compose.yaml": "",
            "a/compose.override.yaml": "",
            "b/docker-compose.override.yml": "",
        }
    )
    files, (unused,) = default_files(tree, "a")
    assert files == ("a/compose.yml", "a/compose.override.yaml")
    assert (unused.code, unused.origin.path) == ("TT1522", "a/docker-compose.yaml")
    assert default_files(tree, "b") == ((), ())
