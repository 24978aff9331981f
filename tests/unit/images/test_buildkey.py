"""From a compose build and a tree to a spec and its key."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.memory_tree import Content, Link, MemoryTree, Program, Submodule
from trimtab.images.buildkey import BuildSpec, build_plan
from trimtab.model.diagnostics import Diagnostic, Origin, Severity

ORIGIN = Origin("compose.yaml", 3, 5)
FILES: Mapping[str, Content] = {
    "web/Dockerfile": "FROM busybox:1.36\nCOPY . /srv\n",
    "web/index.html": "hello",
    "web/run.sh": Program(b"#!/bin/sh\n"),
    "web/link": Link("index.html"),
    "web/sub/a.txt": "a",
    "other/file": "x",
    "Shared.Dockerfile": "FROM busybox:1.36\n",
}


def plan(
    files: Mapping[str, Content], build: Mapping[str, object], **options: object
) -> tuple[BuildSpec | None, tuple[Diagnostic, ...]]:
    return build_plan(MemoryTree(files), build, origin=ORIGIN, **options)  # type: ignore[arg-type]


def spec_of(
    files: Mapping[str, Content] = FILES, build: Mapping[str, object] | None = None, **options: object
) -> BuildSpec:
    spec, problems = plan(files, {"context": "./web"} if build is None else build, **options)
    assert spec is not None, problems
    return spec


def codes(files: Mapping[str, Content], build: Mapping[str, object], **options: object) -> list[str]:
    spec, problems = plan(files, build, **options)
    assert (spec is None) == any(p.severity is Severity.ERROR for p in problems)
    return [str(p.code) for p in problems]


def test_the_key_is_hex_and_twelve_digits_of_it_are_shown() -> None:
    spec = spec_of()
    assert len(spec.key) == 64
    assert int(spec.key, 16)
    assert spec.displayed_key == spec.key[:12]


def test_a_change_outside_the_context_keeps_the_key_and_a_revert_brings_it_back() -> None:
    first = spec_of()
    assert spec_of({**FILES, "other/file": "changed", "new": "file"}).key == first.key
    changed = spec_of({**FILES, "web/index.html": "bye"})
    assert changed.key != first.key
    assert spec_of(dict(FILES)).key == first.key


@pytest.mark.parametrize(
    "change",
    [
        {"web/index.html": Program(b"hello")},  # the executable bit
        {"web/link": Link("run.sh")},
        {"web/Dockerfile": "FROM busybox:1.36\n"},
        {"web/new": ""},
    ],
)
def test_every_change_in_the_context_changes_the_key(change: Mapping[str, Content]) -> None:
    assert spec_of({**FILES, **change}).key != spec_of().key


OPTIONS: Mapping[str, tuple[object, object]] = {
    "target": ("a", "b"),
    "args": ({"A": "1"}, {"A": "2"}),
    "labels": ({"a": "1"}, {"a": "2"}),
    "platforms": (["linux/amd64"], ["linux/arm64"]),
    "network": ("none", "host"),
    "shm_size": ("64m", "128m"),
    "extra_hosts": (["a=1.2.3.4"], ["a=1.2.3.5"]),
    "ulimits": ({"nofile": 10}, {"nofile": {"soft": 10, "hard": 20}}),
    "additional_contexts": ({"base": "docker-image://a"}, {"base": "docker-image://b"}),
    "ssh": (["default"], ["other=/run/agent"]),
    "tags": (["a"], ["b"]),
    "no_cache": (True, False),
    "pull": (True, False),
}


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_every_option_that_changes_the_result_changes_the_key(name: str) -> None:
    keys = [spec_of(build={"context": "./web", name: value}).key for value in OPTIONS[name]]
    assert keys[0] != keys[1]


@pytest.mark.parametrize("name", ["cache_from", "cache_to"])
def test_a_cache_does_not_change_the_key(name: str) -> None:
    assert spec_of(build={"context": "./web", name: ["type=registry,ref=r/cache"]}).key == spec_of().key


def test_a_secret_counts_by_its_id_alone() -> None:
    build = {"context": "./web", "secrets": [{"source": "token"}]}
    files = {**FILES, "token.txt": "hunter2"}
    first = spec_of(files, build, secrets={"token": {"file": "./token.txt"}})
    other = spec_of({**files, "token.txt": "changed"}, build, secrets={"token": {"file": "./token.txt"}})
    variables = {"TOKEN": "hunter2"}
    variable = spec_of(files, build, secrets={"token": {"environment": "TOKEN"}}, variables=variables)
    assert first.key == other.key == variable.key != spec_of().key
    assert "hunter2" not in repr(first) + repr(variable)
    assert variable.secrets[0].value == "hunter2"


def test_spellings_of_the_same_build_have_the_same_key() -> None:
    long = {"args": {"A": "1", "B": "x"}, "labels": {"l": "v"}, "extra_hosts": {"h": "1.2.3.4"}, "shm_size": 64 << 20}
    short = {"args": ["B=x", "A=1"], "labels": ["l=v"], "extra_hosts": ["h:1.2.3.4"], "shm_size": "64m"}
    assert spec_of(build={"context": "./web", **long}).key == spec_of(build={"context": "web/", **short}).key


def test_an_argument_without_a_value_is_left_out_as_compose_does() -> None:
    assert spec_of(build={"context": "web", "args": {"A": None, "B": 1, "C": True}}).args == {"B": "1", "C": "true"}


def test_what_dockerignore_leaves_out_does_not_count() -> None:
    rules = {"web/.dockerignore": "sub\n*.md\n!keep.md\n"}
    first = spec_of({**FILES, **rules})
    assert spec_of({**FILES, **rules, "web/sub/a.txt": "changed", "web/x.md": "y"}).key == first.key
    assert spec_of({**FILES, **rules, "web/keep.md": "y"}).key != first.key
    assert first.included("index.html")
    assert not first.included("sub/a.txt")


def test_a_directory_whose_files_are_left_out_still_counts_as_docker_sends_it_empty() -> None:
    rules = {"web/.dockerignore": "sub/*\n"}
    without = {path: content for path, content in FILES.items() if not path.startswith("web/sub")}
    assert spec_of({**FILES, **rules}).key != spec_of({**without, **rules}).key


def test_the_dockerfiles_own_ignore_file_wins() -> None:
    files = {**FILES, "web/.dockerignore": "index.html\n", "web/Dockerfile.dockerignore": "sub\n"}
    spec = spec_of(files)
    assert spec.included("index.html")
    assert not spec.included("sub")


def test_the_dockerfile_is_always_sent() -> None:
    assert spec_of().dockerfile_in_tar == "Dockerfile"
    ignored = spec_of({**FILES, "web/.dockerignore": "Dockerfile\n"})
    outside = spec_of(build={"context": "web", "dockerfile": "../Shared.Dockerfile"})
    inline = spec_of(build={"context": "web", "dockerfile_inline": "FROM scratch\n"})
    for spec in (ignored, outside, inline):
        assert spec.dockerfile_in_context == ""
        assert spec.dockerfile_in_tar.startswith(".dockerfile.")
    assert inline.dockerfile == b"FROM scratch\n"
    assert outside.dockerfile_label == "Shared.Dockerfile"


def test_links_inside_the_repository_are_resolved() -> None:
    files = {**FILES, "alias": Link("web"), "web/D": Link("../Shared.Dockerfile")}
    assert spec_of(files, {"context": "alias"}).context_path == "web"
    assert spec_of(files, {"context": "alias"}).key == spec_of(files, {"context": "web"}).key
    linked = spec_of(files, {"context": "web", "dockerfile": "D"})
    assert linked.dockerfile == b"FROM busybox:1.36\n"
    assert linked.dockerfile_in_context == ""


@pytest.mark.parametrize(
    ("files", "build", "code"),
    [
        ({}, {"context": "https://example.org/x.git"}, "TT4103"),
        ({}, {"context": "git@example.org:x.git"}, "TT4103"),
        ({}, {"context": "/srv/app"}, "TT4103"),
        ({}, {"context": "../elsewhere"}, "TT4104"),
        ({"out": Link("../../etc")}, {"context": "out"}, "TT4104"),
        ({"out": Link("/etc")}, {"context": "out"}, "TT4104"),
        ({"loop": Link("loop")}, {"context": "loop"}, "TT4104"),
        ({}, {"context": "web", "dockerfile": "../../Dockerfile"}, "TT4104"),
        ({"web/D": Link("/etc/passwd")}, {"context": "web", "dockerfile": "D"}, "TT4104"),
        ({}, {"context": "nowhere"}, "TT4105"),
        ({}, {"context": "web/index.html"}, "TT4105"),
        ({}, {"context": "other"}, "TT4105"),
        ({"lib": Submodule()}, {"context": "lib"}, "TT4106"),
        ({"lib": Submodule()}, {"context": "lib/src"}, "TT4106"),
        ({".gitmodules": "", "web/lib": Submodule()}, {"context": "web"}, "TT4106"),
        ({"web/.dockerignore": "ok\n[\n"}, {"context": "web"}, "TT4107"),
        ({"web/Dockerfile": b"#" * (1 << 20) + b"\n"}, {"context": "web"}, "TT4108"),
        ({}, {"context": "web", "privileged": True}, "TT4109"),
        ({}, {"context": "web", "entitlements": ["network.host"]}, "TT4109"),
        ({"web/Dockerfile": "# syntax=evil/frontend\nFROM x\n"}, {"context": "web"}, "TT4110"),
        ({"web/Dockerfile": "# escape=`\n#Syntax = docker.io/evil/x:1\nFROM x\n"}, {"context": "web"}, "TT4110"),
        ({"web/Dockerfile": "#!/usr/bin/env x\n// syntax=evil\nFROM x\n"}, {"context": "web"}, "TT4110"),
        ({"web/Dockerfile": '{"syntax": "evil"}'}, {"context": "web"}, "TT4110"),
        ({"web/Dockerfile": '#!/usr/bin/env x\n{"syntax": "evil"}'}, {"context": "web"}, "TT4110"),
        # Of two, old versions of BuildKit take the last one.
        ({"web/Dockerfile": "# syntax=docker/dockerfile:1\n# syntax=evil\nFROM x\n"}, {"context": "web"}, "TT4110"),
        # A line ends at a line feed, not at what else Python takes for its end.
        *(
            (
                {"web/Dockerfile": f"# x=1{end}# syntax=docker/dockerfile:1\n# syntax=evil\nFROM x\n"},
                {"context": "web"},
                "TT4110",
            )
            for end in ("\v", "\f", "\r", "\x1c", "\u0085", "\u2028")
        ),
        ({}, {"context": "web", "args": {"BUILDKIT_SYNTAX": "evil"}}, "TT4110"),
        ({}, {"context": "web", "provenance": "mode=max"}, "TT4111"),
        ({}, {"context": "web", "isolation": "hyperv"}, "TT4111"),
        ({}, {"context": "web", "cache_to": ["type=local,dest=/x"]}, "TT4111"),
        ({}, {"context": "web", "additional_contexts": {"x": "../other"}}, "TT4111"),
        ({}, {"context": "web", "ssh": ["k=./key"]}, "TT4111"),
        ({}, {"context": "web", "shm_size": "much"}, "TT4101"),
        ({}, {"context": "web", "labels": 3}, "TT4101"),
        ({}, {"context": "web", "no_cache": "maybe"}, "TT4101"),
        ({}, {"context": "web", "dockerfile": "D", "dockerfile_inline": "FROM x"}, "TT4101"),
        ({}, {"context": "web", "dokcerfile": "D"}, "TT4102"),
        ({}, {"context": "web", "secrets": [{"source": "gone"}]}, "TT4105"),
        ({"web/Dockerfile": "version https://git-lfs.github.com/spec/v1\n"}, {"context": "web"}, "TT4114"),
    ],
)
def test_refused(files: Mapping[str, Content], build: Mapping[str, object], code: str) -> None:
    assert codes({**FILES, **files}, build) == [code]


def test_a_secret_whose_variable_is_not_set_is_refused_before_anything_is_built() -> None:
    build, secrets = {"context": "./web", "secrets": ["token"]}, {"token": {"environment": "TOKEN"}}
    assert codes(FILES, build, secrets=secrets, variables={"OTHER": "x"}) == ["TT4115"]
    assert codes(FILES, build, secrets=secrets, variables={"TOKEN": ""}) == []


def test_a_submodule_that_is_left_out_does_no_harm() -> None:
    files = {**FILES, ".gitmodules": "", "web/lib": Submodule(), "web/.dockerignore": "lib\n"}
    assert codes(files, {"context": "web"}) == []


def test_the_official_frontend_is_accepted() -> None:
    for line in ("# syntax=docker/dockerfile:1", "# syntax = docker.io/docker/dockerfile:1.7@sha256:abc"):
        assert codes({**FILES, "web/Dockerfile": f"{line}\nFROM x\n"}, {"context": "web"}) == []


def test_a_comment_after_the_directives_is_a_comment() -> None:
    assert codes({**FILES, "web/Dockerfile": "FROM x\n# syntax=evil\n"}, {"context": "web"}) == []


def test_a_secret_in_an_argument_is_warned_of_and_not_shown() -> None:
    spec, problems = plan(FILES, {"context": "web", "args": {"NPM_TOKEN": "hunter2"}})
    assert spec is not None
    assert [p.severity for p in problems] == [Severity.WARNING]
    assert "hunter2" not in str(problems[0])


def test_problems_are_placed_at_their_attribute_and_told_all_at_once() -> None:
    places = {"privileged": Origin("compose.yaml", 7, 7)}
    spec, problems = plan(FILES, {"context": "web", "privileged": True, "sbom": True}, where=places.get)
    assert spec is None
    assert [p.origin for p in problems] == [places["privileged"], ORIGIN]


@pytest.mark.parametrize(
    ("service", "listed", "built"),
    [
        ("", [], ""),
        ("linux/arm64", [], "linux/arm64"),
        ("", ["linux/arm64"], "linux/arm64"),
        ("", ["linux/arm64", "linux/amd64"], ""),
        ("linux/amd64", ["linux/arm64", "linux/amd64"], "linux/amd64"),
    ],
)
def test_one_platform_is_built(service: str, listed: list[str], built: str) -> None:
    assert spec_of(build={"context": "web", "platforms": listed}, platform=service).platform == built


def test_a_platform_that_the_build_does_not_list_is_refused() -> None:
    assert codes(FILES, {"context": "web", "platforms": ["linux/arm64"]}, platform="linux/amd64") == ["TT4113"]


@pytest.mark.parametrize(
    ("dockerfile", "reason"),
    [
        ("FROM x\nRUN --mount=type=cache,target=/c true\n", "--mount"),
        ("FROM x\nCOPY --chown=1:1 --chmod=755 a b\n", "--chmod"),
        ("FROM x\nRUN <<EOF\ntrue\nEOF\n", "here-document"),
        ("FROM x\nRUN echo --mount\nCOPY --from=a /b /c\n", ""),
        ("FROM x\nRUN test 1 -lt 2 && echo '<<'\n", ""),
    ],
)
def test_what_needs_buildkit_is_seen(dockerfile: str, reason: str) -> None:
    assert reason in spec_of({**FILES, "web/Dockerfile": dockerfile}).needs_buildkit()
    assert bool(reason) == bool(spec_of({**FILES, "web/Dockerfile": dockerfile}).needs_buildkit())


SIMPLE = st.dictionaries(
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map(lambda p: "web/" + "/".join([*p, "file"])),
    st.sampled_from([b"1", b"2", Program(b"1"), Link("x")]),
    max_size=5,
)


@given(SIMPLE, SIMPLE, st.sampled_from(["", "a\n", "**/file\n!a/file\n", "*\n!b\n"]))
def test_two_contexts_have_one_key_exactly_when_instructions_see_the_same(
    left: dict[str, Content], right: dict[str, Content], rules: str
) -> None:
    base: dict[str, Content] = {"web/Dockerfile": "FROM x\n", "web/.dockerignore": rules}
    one, other = spec_of({**base, **left}), spec_of({**base, **right})

    def seen(files: Mapping[str, Content], spec: BuildSpec) -> tuple[dict[str, Content], set[str]]:
        relative = {path.removeprefix("web/"): content for path, content in files.items()}
        kept = {path: content for path, content in relative.items() if spec.included(path)}
        parents = {p.rsplit("/", n)[0] for p in relative for n in range(1, p.count("/") + 1)}
        needed = {p.rsplit("/", n)[0] for p in kept for n in range(1, p.count("/") + 1)}
        return kept, {parent for parent in parents if spec.included(parent) or parent in needed}

    assert (one.key == other.key) == (seen(left, one) == seen(right, other))
