"""Loading a commit: every application, every problem, and nothing held hostage by anything else."""

from __future__ import annotations

import pytest

from tests.support.memory_tree import Content, Link, MemoryTree, Submodule
from trimtab.errors import GitUnavailable
from trimtab.manifest import candidates
from trimtab.manifest.assemble import load_from_source
from trimtab.manifest.load import FailedApplication, LoadCache, LoadResult, load
from trimtab.manifest.trace import TracingTree
from trimtab.model.application import SourceRef
from trimtab.model.keys import AppKey
from trimtab.model.snapshot import Entry

APP = "apiVersion: trimtab.dev/v1alpha1\nkind: Application\nmetadata: {name: %s}\n"
WEB = "services: {web: {image: web}}\n"


def loaded(files: dict[str, Content], **arguments: object) -> LoadResult:
    return load(MemoryTree(files), default_name="root", **arguments)  # type: ignore[arg-type]


def names(result: LoadResult) -> list[str]:
    return [str(app.key) for app in result.applications]


def errors(result: LoadResult) -> list[str]:
    return [d.code for d in result.diagnostics if d.severity == "error"]


def failed(result: LoadResult) -> list[tuple[str | None, str]]:
    return [(str(f.key) if f.key else None, f.path) for f in result.failed]


def test_plain_compose_files_are_applications_named_after_their_directories() -> None:
    result = loaded({"compose.yaml": WEB, "team/My_Shop/docker-compose.yml": WEB, "team/blog/compose.yml": WEB})
    assert names(result) == ["blog", "my-shop", "root"]
    assert result.applications[1].origin.path == "team/My_Shop/docker-compose.yml"
    assert result.failed == ()


def test_a_compose_files_own_name_wins_over_the_directorys() -> None:
    assert names(loaded({"x/compose.yaml": "name: shop\n" + WEB, "y/compose.yaml": "name: ${N:-z}\n" + WEB})) == [
        "shop",
        "y",
    ]


def test_the_override_file_is_used_as_docker_compose_does() -> None:
    override = "services: {web: {image: other}}\n"
    (app,) = loaded({"x/compose.yaml": WEB, "x/compose.override.yaml": override}).applications
    assert app.compose.services["web"]["image"] == "other"


def test_an_application_claims_its_directory_and_those_of_its_files() -> None:
    result = loaded(
        {
            "a/app.yaml": APP % "one",
            "a/compose.yaml": WEB,
            "two.yaml": APP % "two" + "spec: {compose: {files: [b/compose.yaml]}}\n",
            "b/compose.yaml": WEB,
            "three.yaml": APP % "three" + "spec: {source: {path: c}}\n",
            "c/compose.yaml": WEB,
            "d/app.yaml": APP % "inline" + "spec: {services: {w: {image: x}}}\n",
            "d/compose.yaml": WEB,
        }
    )
    assert names(result) == ["d", "inline", "one", "three", "two"]


def test_an_application_with_errors_keeps_its_claim() -> None:
    result = loaded({"a/app.yaml": APP % "shop" + "spec: {timout: 5}\n", "a/compose.yaml": WEB})
    assert names(result) == []
    assert failed(result) == [("shop", "a/app.yaml")]


def test_all_problems_of_an_application_are_told_at_once() -> None:
    result = loaded(
        {"a/app.yaml": APP % "shop" + "spec: {timout: 5m}\n", "a/compose.yaml": "services: {w: {imag: x}}\n"}
    )
    assert "TT1502" in errors(result)
    assert any(d.origin.path == "a/compose.yaml" for d in result.diagnostics)


def test_inline_sections_go_on_top_of_files() -> None:
    spec = "spec: {compose: {files: [compose.yaml]}, services: {web: {environment: {A: b}}}}\n"
    (app,) = loaded({"a/app.yaml": APP % "shop" + spec, "a/compose.yaml": WEB}).applications
    assert app.compose.services["web"]["environment"] == {"A": "b"}
    assert app.compose.services["web"]["image"] == "web"
    assert app.compose.name == "shop"


def test_profiles_env_files_and_variables_reach_the_compose_files() -> None:
    spec = "spec: {compose: {profiles: [p], envFiles: [prod.env]}}\n"
    compose = "services: {w: {image: '$A-$B-$C'}, x: {image: x, profiles: [p]}}\n"
    files: dict[str, Content] = {"a/app.yaml": APP % "s" + spec, "a/compose.yaml": compose, "a/prod.env": "A=1\nB=1\n"}
    (app,) = loaded(files, environment={"B": "2", "C": "3"}).applications
    assert app.compose.services["w"]["image"] == "1-2-3"
    assert "x" in app.compose.services


def test_a_namespace_is_in_the_projects_name() -> None:
    text = APP.replace("{name: %s}", "{name: shop, namespace: team}") + "spec: {services: {w: {image: x}}}\n"
    (app,) = loaded({"a.yaml": text}).applications
    assert (app.key, app.compose.name) == (AppKey("team", "shop"), "team-shop")


def test_x_trimtab_has_the_settings_of_a_spec() -> None:
    text = WEB + (
        "x-trimtab:\n  timeout: 5m\n  dependsOn: [{name: db}]\n  compose: {profiles: [p]}\n"
        "  syncPolicy: {automated: {enabled: false}, rollbackOnFailure: false}\n"
        "  patches: [{target: {kind: Service, name: web}, patch: [{op: add, path: /user, value: app}]}]\n"
    )
    (_, web) = loaded({"web/compose.yaml": text, "db/compose.yaml": WEB}).applications
    assert (web.timeout_s, web.depends_on) == (300.0, (AppKey("default", "db"),))
    assert (web.sync_policy.automated, web.rollback_on_failure) == (False, False)
    assert web.compose.services["web"]["user"] == "app"


def test_x_trimtab_is_checked_like_a_spec() -> None:
    result = loaded({"web/compose.yaml": WEB + "x-trimtab: {timout: 5m, source: {path: x}, suspend: {}}\n"})
    assert [d.message for d in result.diagnostics] == [
        "unknown field 'timout' in x-trimtab",
        "unknown field 'source' in x-trimtab",
    ]
    assert failed(result) == [("web", "web/compose.yaml")]


def test_an_applications_own_settings_win_over_those_of_its_files() -> None:
    files: dict[str, Content] = {
        "a/app.yaml": APP % "shop" + "spec: {timeout: 1m}\n",
        "a/compose.yaml": WEB + "x-trimtab: {timeout: 2m, project: p}\n",
    }
    (app,) = loaded(files).applications
    assert (app.timeout_s, app.project) == (60.0, "p")


def test_a_services_own_x_trimtab_is_read() -> None:
    result = loaded({"w/compose.yaml": "services: {web: {image: x, x-trimtab: {rollout: {drain: 5s}}}}\n"})
    assert errors(result) == []
    assert result.applications[0].service_settings["web"].rollout.drain_s == 5


def test_a_services_own_x_trimtab_is_checked_with_its_place() -> None:
    text = "services:\n  web:\n    image: x\n    x-trimtab:\n      hook: PreSink\n      rollout: {promot: auto}\n"
    result = loaded({"w/compose.yaml": text})
    assert [(d.origin.line, d.message, d.hint) for d in result.diagnostics] == [
        (
            5,
            (
                "services.web.x-trimtab.hook must be 'PreSync', 'Sync', 'PostSync', 'SyncFail', 'PreDelete' or "
                "'PostDelete', not 'PreSink'"
            ),
            "did you mean 'PreSync'?",
        ),
        (6, "unknown field 'promot' in services.web.x-trimtab.rollout", "did you mean 'promote'?"),
    ]


def test_moved_has_to_fit() -> None:
    good = "spec: {moved: [{kind: Volume, from: old, to: data}]}\n"
    compose = "services: {w: {image: x, volumes: ['data:/d']}}\nvolumes: {data: {}}\n"
    (app,) = loaded({"a/app.yaml": APP % "s" + good, "a/compose.yaml": compose}).applications
    assert app.moved[0].to_name == "data"
    bad = "spec: {moved: [{kind: Volume, from: data, to: new}]}\n"
    assert errors(loaded({"a/app.yaml": APP % "s" + bad, "a/compose.yaml": compose})) == ["TT1509", "TT1509"]


def test_two_applications_of_one_name_are_both_held_and_each_names_the_other() -> None:
    result = loaded({"a/app.yaml": APP % "b", "a/compose.yaml": WEB, "b/compose.yaml": WEB, "c/compose.yaml": WEB})
    assert names(result) == ["c"]
    assert failed(result) == [("b", "a/app.yaml"), ("b", "b/compose.yaml")]
    assert ["b/compose.yaml" in d.message for d in result.diagnostics] == [True, False]
    assert "a/app.yaml" in result.diagnostics[1].message


def test_a_duplicate_of_a_broken_application_is_a_duplicate_nevertheless() -> None:
    result = loaded({"a.yaml": APP % "b" + "spec: {x: 1}\n", "b/compose.yaml": WEB})
    assert names(result) == []


def test_two_documents_of_one_name_in_one_file() -> None:
    text = APP % "a" + "spec: {services: {w: {image: x}}}\n"
    assert failed(loaded({"x.yaml": f"{text}---\n{text}"})) == [("a", "x.yaml"), ("a", "x.yaml")]


def test_an_application_without_anything_to_run_is_told() -> None:
    assert errors(loaded({"a.yaml": APP % "empty"})) == ["TT1508"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("apiVersion: trimtab.dev/v9\nkind: Application\nmetadata: {name: x}\n", "TT1500"),
        ("apiVersion: trimtab.dev/v1alpha1\nkind: Aplication\nmetadata: {name: x}\n", "TT1501"),
        ("apiVersion: zerverless.io/v1\nkind: Destination\nmetadata: {name: x}\n", "TT1501"),
    ],
)
def test_a_document_of_our_group_that_is_none_of_ours_is_told(text: str, code: str) -> None:
    assert errors(loaded({"a.yaml": text})) == [code]


def test_a_kind_that_is_not_known_does_not_hold_an_application_of_its_name() -> None:
    project = "apiVersion: trimtab.dev/v1alpha1\nkind: Project\nmetadata: {name: a}\n"
    result = loaded({"project.yaml": project, "a/compose.yaml": WEB})
    assert (names(result), failed(result)) == (["a"], [(None, "project.yaml")])


def test_a_name_that_is_no_name_does_not_hide_the_other_problems() -> None:
    result = loaded({"a.yaml": APP % "Shop" + "spec: {timout: 1}\n", "b/compose.yaml": WEB})
    assert errors(result) == ["TT1508", "TT1504", "TT1502"]
    assert any("'Shop'" in d.message for d in result.diagnostics)


@pytest.mark.parametrize("path", ["deploy", "./deploy", "deploy/", "x/../deploy"])
def test_a_sources_path_may_be_written_in_any_way(path: str) -> None:
    spec = f"spec: {{source: {{path: {path}}}}}\n"
    result = loaded({"app.yaml": APP % "shop" + spec, "deploy/compose.yaml": WEB, "deploy/compose.override.yml": WEB})
    assert (names(result), result.failed) == (["shop"], ())


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        (APP % "a" + "spec: {timeout: 1m}\nspec: {timeout: 2m}\n", "TT1004", 5),
        (APP % "a" + "spec: !!python/object:os.system {}\n", "TT1006", 4),
        (APP % "a" + "spec: []\n", "TT1504", 4),
        (APP % "a" + "spec: {services: [a]}\n", "TT1504", 4),
        (APP % "a" + "5: x\n", "TT1005", 4),
    ],
)
def test_bad_documents_are_told_with_their_place(text: str, code: str, line: int) -> None:
    result = loaded({"a.yaml": text, "b/compose.yaml": WEB})
    assert names(result) == ["b"]
    assert (code, line) in [(d.code, d.origin.line) for d in result.diagnostics]
    assert failed(result) == [("a", "a.yaml")]


def test_a_problem_in_one_document_of_a_file_is_not_the_others() -> None:
    good = APP % "good" + "spec: {services: {w: {image: x}}}\n"
    bad = APP % "bad" + "spec: {services: {w: {image: x, image: y}}}\n"
    result = loaded({"all.yaml": f"{good}---\n{bad}---\n{good.replace('good', 'fine')}"})
    assert names(result) == ["fine", "good"]
    assert failed(result) == [("bad", "all.yaml")]


def test_a_file_with_many_documents_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    real = candidates.documents_of
    monkeypatch.setattr(candidates, "documents_of", lambda data, path: calls.append(path) or real(data, path))
    text = "---\n".join(APP % f"a{n}" + "spec: {services: {w: {image: x}}}\n" for n in range(20))
    assert len(names(loaded({"all.yaml": text}))) == 20
    assert calls == ["all.yaml"]


def test_destinations_are_read_and_used() -> None:
    destination = "apiVersion: trimtab.dev/v1alpha1\nkind: Destination\nmetadata: {name: %s}\nspec: {host: '%s'}\n"
    files: dict[str, Content] = {
        "far.yaml": destination % ("far", "tcp://far:2376"),
        "app.yaml": APP % "a" + "spec: {destination: {name: far}, services: {w: {image: x}}}\n",
        "bad.yaml": APP % "b" + "spec: {destination: {name: fra}, services: {w: {image: x}}}\n",
        "broken.yaml": destination % ("other", "nothing"),
    }
    result = loaded(files)
    assert [(d.name, d.host) for d in result.destinations] == [("far", "tcp://far:2376")]
    assert names(result) == ["a"]
    assert failed(result) == [("b", "bad.yaml")]
    twice = loaded(
        {"a.yaml": destination % ("local", "ssh://a"), "b.yaml": (destination % ("b", "ssh://a") + "---\n") * 2}
    )
    assert errors(twice) == ["TT1528", "TT1528", "TT1528"]
    assert twice.destinations == ()


def test_a_zerverless_application_waits_for_its_source_and_says_when_nothing_is_left() -> None:
    text = (
        "apiVersion: zerverless.io/v1\nkind: Application\nmetadata: {name: my-app, namespace: alice}\nspec:\n"
        "  source: {repoURL: https://example.com/my-repo, branch: main}\n"
        "  functions: [{path: /api, runtime: docker, dockerfile: ./Dockerfile, context: .}]\n"
    )
    result = loaded({"zerverless.yaml": text})
    (declaration,) = result.declarations
    assert declaration.key == AppKey("alice", "my-app")
    assert [d.code for d in result.diagnostics] == ["TT1507"]
    application, _ = load_from_source(declaration, MemoryTree({"compose.yaml": WEB}))
    assert application is not None
    assert application.compose.name == "alice-my-app"
    application, (problem,) = load_from_source(declaration, MemoryTree({"Dockerfile": "FROM x"}))
    assert application is None
    assert problem.code == "TT1508"


def test_a_source_elsewhere_is_a_declaration_and_one_that_is_here_is_loaded() -> None:
    spec = "spec: {source: {repoURL: 'https://example.com/shop.git', targetRevision: main, path: deploy}}\n"
    files: dict[str, Content] = {"app.yaml": APP % "shop" + spec, "deploy/compose.yaml": WEB}
    result = loaded(files)
    assert [str(d.key) for d in result.declarations] == ["shop"]
    assert names(result) == ["deploy"]
    here = SourceRef(repo_url="https://example.com/shop", target_revision="main")
    result = loaded(files, here=here)
    assert (names(result), result.declarations) == (["shop"], ())
    assert loaded(files, here=SourceRef(repo_url="https://example.com/shop", target_revision="v1")).declarations


def test_loading_from_a_source_is_traced() -> None:
    spec = "spec: {source: {repoURL: 'https://example.com/x', path: deploy}, compose: {files: [c.yaml]}}\n"
    (declaration,) = loaded({"app.yaml": APP % "shop" + spec}).declarations
    tracing = TracingTree(MemoryTree({"deploy/c.yaml": WEB, "other": "x"}))
    application, _ = load_from_source(declaration, tracing)
    assert application is not None
    assert application.source == SourceRef(repo_url="https://example.com/x", path="deploy")
    assert application.origin.path == "app.yaml"
    assert tracing.trace().scope == "deploy"
    moved, _ = load_from_source(declaration, MemoryTree({"else/c.yaml": WEB}), "else")
    assert moved is not None


def test_files_that_leave_the_repository_are_refused() -> None:
    outside = "spec: {compose: {files: [../../etc/compose.yaml], envFiles: [../../x.env]}}\n"
    result = loaded({"a/app.yaml": APP % "s" + outside})
    assert errors(result) == ["TT1022", "TT1022"]
    linked = loaded({"a/compose.yaml": Link("/etc/compose.yaml"), "b/compose.yaml": WEB})
    assert names(linked) == ["b"]
    assert failed(linked) == [("a", "a/compose.yaml")]
    above = loaded({"a/compose.yaml": Link("../../compose.yaml")})
    assert failed(above) == [("a", "a/compose.yaml")]


@pytest.mark.parametrize("path", ["nowhere", "file.yaml", "link"])
def test_a_path_that_is_not_there_holds_all_below_it(path: str) -> None:
    result = loaded({"file.yaml": "", "link": Link("/etc")}, path=path)
    assert errors(result) == ["TT1520"]
    (held,) = result.failed
    assert held.holds(AppKey("default", "x"), f"{path}/x/compose.yaml")
    assert not held.holds(AppKey("default", "x"), f"{path}x/compose.yaml")


def test_a_path_may_be_a_link_inside_the_repository() -> None:
    assert names(loaded({"real/a/compose.yaml": WEB, "b/compose.yaml": WEB, "link": Link("real")}, path="link")) == [
        "a"
    ]


def test_who_is_held_by_a_failure() -> None:
    named = FailedApplication(key=AppKey("default", "a"), path="a.yaml", diagnostics=())
    assert named.holds(AppKey("default", "a"), "elsewhere.yaml")
    assert named.holds(AppKey("default", "b"), "a.yaml")
    assert not named.holds(AppKey("default", "b"), "a.yaml/x")
    nameless = FailedApplication(key=None, path="dir", diagnostics=())
    assert nameless.holds(AppKey("default", "b"), "dir")
    assert nameless.holds(AppKey("default", "b"), "dir/sub/x.yaml")
    assert not nameless.holds(AppKey("default", "b"), "dirx")


@pytest.mark.parametrize(
    "broken",
    [
        APP % "shop" + "spec: {",
        (APP % "shop").encode() + b"\xff",
        (APP % "shop").encode("utf-16"),
        APP % "shop" + "#" * 2_000_000,
        APP % "shop"
        + "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
        + "".join(f"{c}: &{c} [{','.join(['*' + chr(ord(c) - 1)] * 10)}]\n" for c in "bcdefgh"),
        Link("/etc/app.yaml"),
        Link("../../app.yaml"),
        Link("gone.yaml"),
        Submodule(),
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n",
        APP % "Shop",
        "apiVersion: trimtab.dev/v1alpha1\nkind: Application\n",
    ],
    ids=[
        "syntax",
        "not UTF-8",
        "UTF-16",
        "huge",
        "bomb",
        "absolute link",
        "climbing link",
        "dangling link",
        "submodule",
        "LFS",
        "bad name",
        "no name",
    ],
)
def test_i4_whatever_becomes_of_a_manifest_its_application_is_held_and_not_gone(broken: Content) -> None:
    files: dict[str, Content] = {"a/app.yaml": APP % "shop", "a/compose.yaml": WEB, "b/compose.yaml": WEB}
    before = loaded(files)
    assert names(before) == ["b", "shop"]
    after = loaded({**files, "a/app.yaml": broken})
    assert "b" in names(after)
    shop = before.applications[1]
    assert any(f.holds(shop.key, shop.origin.path) for f in after.failed)
    if not isinstance(broken, Submodule | Link) and "git-lfs" not in str(broken):
        # The directory is not taken over as a plain compose application in the meantime.
        assert names(after) == ["b"]


def test_i4_a_plain_application_beside_an_unreadable_manifest_is_held() -> None:
    files: dict[str, Content] = {"a/compose.yaml": WEB, "b/compose.yaml": WEB}
    assert names(loaded(files)) == ["a", "b"]
    after = loaded({**files, "a/app.yaml": APP % "shop" + "spec: {"})
    assert names(after) == ["b"]
    assert ("a", "a/compose.yaml") in failed(after)
    assert [d.code for d in after.diagnostics] == ["TT1003", "TT1524"]


def test_i4_an_application_whose_file_is_renamed_and_broken_at_once_is_held() -> None:
    before = loaded({"x/compose.yaml": "name: shop\n" + WEB, "y.yaml": APP % "one" + "spec: {services: {}}\n"})
    assert names(before) == ["one", "shop"]
    after = loaded({"x/compose.yaml": "name: shop\nservices: {", "y.yaml": APP % "two" + "spec: {x: 1}\n"})
    assert after.applications == ()
    for app in before.applications:
        assert any(f.holds(app.key, app.origin.path) for f in after.failed)


def test_i4_a_compose_file_that_cannot_be_read_holds_its_application() -> None:
    for broken in ("services: {", b"\xff", "", Link("/etc/x"), "services: []", Submodule()):
        after = loaded({"a/compose.yaml": broken, "b/compose.yaml": WEB})  # type: ignore[dict-item]
        assert names(after) == ["b"]
        assert any(f.holds(AppKey("default", "a"), "a/compose.yaml") for f in after.failed), broken


def test_i12_a_defect_of_ours_costs_one_application(monkeypatch: pytest.MonkeyPatch) -> None:
    real = candidates.load_from_source

    def failing(declaration, *arguments, **options):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN002, ANN003, ANN202
        if declaration.key.name == "a":
            raise RecursionError("secret-value")
        return real(declaration, *arguments, **options)

    monkeypatch.setattr(candidates, "load_from_source", failing)
    result = loaded({"a/compose.yaml": WEB, "b/compose.yaml": WEB})
    assert names(result) == ["b"]
    assert errors(result) == ["TT1799"]
    assert failed(result) == [("a", "a/compose.yaml")]
    assert "secret-value" not in str(result.diagnostics)


def test_a_huge_file_is_told_and_never_read_whole() -> None:
    """A compose file, a file that it names, and data that only looks like a manifest by its name."""
    huge = "x: y\n" * (4 << 20)
    result = loaded(
        {
            "a/compose.yaml": huge,
            "b/compose.yaml": WEB + "# " + "x" * (1 << 20),
            "c/compose.yaml": WEB.replace("image: web", "image: web, env_file: big.env"),
            "c/big.env": "A=1\n" * (1 << 19),
            "d/compose.yaml": WEB,
            "data/fixtures.yaml": huge,
            "e/compose.yaml": Link("y" * 10_000),
        }
    )
    assert names(result) == ["d"]
    told = {d.origin.path: (d.code, d.severity.value) for d in result.diagnostics if "bytes" in d.message}
    assert told == {
        "a/compose.yaml": ("TT1001", "error"),
        "b/compose.yaml": ("TT1001", "error"),
        "c/compose.yaml": ("TT1001", "error"),
        "data/fixtures.yaml": ("TT1001", "warning"),
    }
    held = next(f for f in result.failed if f.path == "data/fixtures.yaml")
    assert held.holds(AppKey.parse("once"), "data/fixtures.yaml"), "what it declared before it grew is not gone"


def test_a_repository_that_cannot_be_read_is_no_empty_repository() -> None:
    class Gone(MemoryTree):
        def read(self, path: str, limit_bytes: int | None = None) -> bytes:
            raise GitUnavailable("gone")

    with pytest.raises(GitUnavailable):
        load(Gone({"a/compose.yaml": WEB}), default_name="x")

    class GoesAway(MemoryTree):
        def entry(self, path: str) -> Entry | None:
            if path == "a/.env":
                raise GitUnavailable("gone")
            return super().entry(path)

    with pytest.raises(GitUnavailable):
        load(GoesAway({"a/compose.yaml": WEB}), default_name="x")


def test_a_directory_whose_name_makes_no_application_name_is_told() -> None:
    result = loaded({"_/compose.yaml": WEB, "a/compose.yaml": WEB})
    assert (names(result), errors(result), failed(result)) == (["a"], ["TT1523"], [(None, "_/compose.yaml")])


def test_dependencies_ports_and_failures_are_checked_across_applications() -> None:
    web = "services: {web: {image: x, ports: ['80:80']}}\nx-trimtab: {dependsOn: [{name: %s}]}\n"
    files: dict[str, Content] = {
        "a/compose.yaml": web % "broken",
        "b/compose.yaml": web % "nowhere",
        "broken/compose.yaml": "services: 5\n",
    }
    result = loaded(files)
    assert names(result) == ["a"]
    assert [c for c in errors(result) if c.startswith("TT16")] == ["TT1602", "TT1600"] or sorted(
        c for c in errors(result) if c.startswith("TT16")
    ) == ["TT1600", "TT1602"]


def test_dependencies_on_other_repositories() -> None:
    files: dict[str, Content] = {"a/compose.yaml": WEB + "x-trimtab: {dependsOn: [{name: far}]}\n"}
    assert names(loaded(files)) == []
    assert names(loaded(files, alone=False)) == ["a"]


def test_nothing_at_all_is_fine() -> None:
    assert load(MemoryTree({}), default_name="x", cache=LoadCache()) == LoadResult()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("[a]", "must be a mapping, not a list"),
        ("{hook: [PreSync]}", "not a list"),
        ("{hook: 5}", "not '5'"),
        ("{hook: true}", "not true"),
        ("{hook: {}}", "not a mapping"),
        ("{hook: PreSink}", "not 'PreSink' (did you mean 'PreSync'?)"),
    ],
)
def test_a_services_own_settings_of_another_shape_are_refused_at_their_place(setting: str, message: str) -> None:
    result = loaded({"compose.yaml": f"services:\n  web:\n    image: web\n    x-trimtab: {setting}\n"})
    (found,) = (d for d in result.diagnostics if d.severity == "error")
    assert str(found.origin).startswith("compose.yaml:4:")
    assert "services.web.x-trimtab" in found.message
    assert message in str(found)


def test_drift_is_not_repaired_and_left_alone_at_once() -> None:
    policy = "{automated: {selfHeal: false}, drift: {mode: repair}}"
    result = loaded({"compose.yaml": WEB, "app.yaml": APP % "shop" + f"spec:\n  syncPolicy: {policy}\n"})
    (found,) = (d for d in result.diagnostics if d.severity == "error")
    assert str(found.origin).startswith("app.yaml:5:")
    assert "says 'repair' in drift.mode, but selfHeal is false" in found.message


def test_what_breaks_a_file_after_an_application_is_not_taken_for_a_problem_of_its_document() -> None:
    text = (APP % "shop") + "spec: {compose: {files: [web.yaml]}, typo: 1}\n---\na: [\n"
    result = loaded({"app.yaml": text, "web.yaml": WEB})
    found = sorted(str(d) for d in result.diagnostics if d.severity == "error")
    assert any("unknown field 'typo' in spec" in one for one in found)
    assert any(one.startswith(("app.yaml:6:", "app.yaml:7:")) for one in found)
