"""Building on a real engine, with each builder that is there: same contexts, same promises."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Iterator, Mapping
from pathlib import Path

import docker
import pytest

from tests.support.engine import RUN_LABEL, EngineScope, connect
from tests.support.memory_tree import Content, Link, MemoryTree, Program
from tests.support.proxy import EngineProxy
from trimtab.errors import (
    BackendUnavailable,
    BuildFailed,
    ConfigError,
    Conflict,
    DeadlineExceeded,
    RegistryUnavailable,
    UnsupportedByBackend,
)
from trimtab.images.builder import EngineBuilder
from trimtab.images.buildkey import BuildSpec, build_plan
from trimtab.images.buildspec import BuildSecret
from trimtab.images.buildx import BuildxBuilder, buildx_version
from trimtab.images.choose import BuilderChoice, ChosenBuilder, builder_finding, choose_builder
from trimtab.images.contextpaths import visible
from trimtab.images.naming import image_ref, provenance_labels
from trimtab.images.resolver import TreeImageResolver
from trimtab.manifest.load import load
from trimtab.model.diagnostics import Origin
from trimtab.model.keys import AppKey
from trimtab.model.snapshot import Tree
from trimtab.ports import ImageBuilder

pytestmark = pytest.mark.engine

BUILDERS = ["engine", "buildx"]


def buildx(engine_url: str) -> BuildxBuilder:
    if not buildx_version():
        # The plugin is optional for users and so for the suite; the engine's builder is never skipped.
        pytest.skip("docker buildx is not installed")
    return BuildxBuilder(docker_host=engine_url)


@pytest.fixture(params=BUILDERS)
def builder(request: pytest.FixtureRequest, docker_api: docker.APIClient, engine_url: str) -> ImageBuilder:
    return EngineBuilder(docker_api) if request.param == "engine" else buildx(engine_url)


def spec_of(files: Mapping[str, Content], build: Mapping[str, object] | None = None, **options: object) -> BuildSpec:
    spec, problems = build_plan(MemoryTree(files), build or {"context": "."}, origin=Origin("compose.yaml"), **options)  # type: ignore[arg-type]
    assert spec is not None, problems
    return spec


def make(
    builder: ImageBuilder,
    scope: EngineScope,
    files: Mapping[str, Content],
    build: Mapping[str, object] | None = None,
    *,
    tree: Tree | None = None,
    log: list[str] | None = None,
    cancelled: threading.Event | None = None,
    timeout_s: float = 120,
    **options: object,
) -> str:
    spec = spec_of(files, build, **options)
    return builder.build(
        spec,
        tree or MemoryTree(files),
        tags=[f"{scope.name}/image:{spec.displayed_key}"],
        labels=scope.labels,
        log=[].append if log is None else log.append,
        cancelled=cancelled or threading.Event(),
        timeout_s=timeout_s,
    )


def output(scope: EngineScope, image: str, command: str) -> str:
    container = scope.api.create_container(image, ["sh", "-c", command], labels=dict(scope.labels))["Id"]
    scope.api.start(container)
    scope.api.wait(container, timeout=60)
    return scope.api.logs(container).decode()


def test_the_image_holds_what_the_tree_holds(builder: ImageBuilder, scope: EngineScope) -> None:
    files: dict[str, Content] = {
        "Dockerfile": "FROM busybox:1.36\nARG WHO=nobody\nCOPY . /srv\nRUN echo $WHO > /who\n",
        ".dockerignore": "secret*\nkept/*\n",
        "secret.txt": "never sent",
        "kept/gone": "x",
        "bin/run": Program(b"#!/bin/sh\necho it ran\n"),
        "plain": "p",
        "link": Link("bin/run"),
        "outward": Link("/etc/hostname"),
        "d\u00e9j\u00e0 vu/" + "n" * 120: "long",
    }
    lines: list[str] = []
    image = make(builder, scope, files, {"context": ".", "args": {"WHO": "ada"}, "labels": {"l": "v"}}, log=lines)
    said = output(
        scope,
        image,
        "cd /srv; find . | sort; ./link; cat /who; readlink link; readlink outward; "
        "stat -c '%a %Y %u %n' bin/run plain bin",
    )
    assert "it ran\nada\nbin/run\n/etc/hostname\n755 0 0 bin/run\n644 0 0 plain\n" in said
    assert "secret" not in said
    assert "./kept\n" in said
    assert "kept/gone" not in said
    assert "./d\u00e9j\u00e0 vu/" + "n" * 120 in said
    assert any("RUN echo" in line for line in lines)
    config = scope.api.inspect_image(image)["Config"]["Labels"]
    assert config["l"] == "v"
    assert config[RUN_LABEL] == scope.name


@pytest.mark.parametrize(
    ("files", "build"),
    [
        ({"base/Dockerfile": "FROM busybox:1.36\nCOPY a /a\n", "web/a": "1"}, {"dockerfile": "../base/Dockerfile"}),
        ({"web/a": "1"}, {"dockerfile_inline": "FROM busybox:1.36\nCOPY a /a\n"}),
        (
            {
                "web/Dockerfile": "FROM busybox:1.36\nCOPY . /\n",
                "web/a": "1",
                "web/.dockerignore": "Dockerfile\n.docker*\n",
            },
            {},
        ),
    ],
    ids=["outside", "inline", "ignored"],
)
def test_a_dockerfile_that_is_not_in_the_context(
    builder: ImageBuilder, scope: EngineScope, files: dict[str, Content], build: dict[str, object]
) -> None:
    image = make(builder, scope, files, {"context": "web", **build})
    assert output(scope, image, "cat /a; ls -a /").startswith("1")


def test_the_classic_builder_leaves_no_generated_file_in_the_image(
    docker_api: docker.APIClient, scope: EngineScope
) -> None:
    inline = {"dockerfile_inline": "FROM busybox:1.36\nCOPY . /srv\n"}
    image = make(EngineBuilder(docker_api), scope, {"a": "1"}, inline)
    assert output(scope, image, "ls -A /srv") == "a\n"


STAGES = {
    "Dockerfile": "FROM busybox:1.36 AS one\nRUN cat /etc/hosts > /hosts; ulimit -n > /files; df -m /dev/shm > /shm; "
    "ls /sys/class/net > /net\nFROM one AS two\nRUN false\n"
}


def test_target_network_and_the_rest_are_carried_out(builder: ImageBuilder, scope: EngineScope) -> None:
    build = {
        "context": ".",
        "target": "one",
        "network": "none",
        "extra_hosts": ["ada.test=192.0.2.7"],
        "platforms": ["linux/amd64"],
        "tags": [f"{scope.name}/other:tag"],
        "cache_from": ["busybox:1.36"],
    }
    image = make(builder, scope, STAGES, build)
    said = output(scope, image, "cat /hosts /net")
    assert "ada.test" in said
    assert "eth0" not in said
    assert scope.api.inspect_image(f"{scope.name}/other:tag")["Id"] == image


@pytest.mark.parametrize("choice", [BuilderChoice.AUTO, BuilderChoice.ENGINE])
def test_limits_are_carried_out_whatever_the_engines_buildkit_can(
    docker_api: docker.APIClient, engine_url: str, scope: EngineScope, choice: BuilderChoice
) -> None:
    builder = choose_builder(docker_api, choice=choice, docker_host=engine_url)
    build = {"context": ".", "target": "one", "shm_size": "32m", "ulimits": {"nofile": {"soft": 321, "hard": 654}}}
    image = make(builder, scope, STAGES, build)
    said = output(scope, image, "cat /files /shm")
    assert "321" in said
    assert " 32 " in said


def test_limits_that_an_old_buildkit_would_ignore_are_refused(engine_url: str, scope: EngineScope) -> None:
    old = ChosenBuilder(buildx=buildx(engine_url), engine=None, engine_version="20.10.24+dfsg1")
    with pytest.raises(UnsupportedByBackend, match=r"ignores build\.ulimits"):
        make(old, scope, STAGES, {"context": ".", "target": "one", "ulimits": {"nofile": 321}})


def test_a_failing_instruction_is_named_with_the_end_of_its_output(builder: ImageBuilder, scope: EngineScope) -> None:
    instruction = "RUN for i in $(seq 50); do echo line $i; done; exit 3"
    # No step before it: a classic build that fails leaves what it made until then as a nameless image.
    files = {"Dockerfile": f"FROM busybox:1.36\n{instruction}\n"}
    lines: list[str] = []
    with pytest.raises(BuildFailed) as caught:
        make(builder, scope, files, log=lines)
    assert caught.value.instruction == instruction
    assert instruction in str(caught.value)
    assert len(caught.value.log_tail) == 30
    assert any("line 50" in line for line in caught.value.log_tail)
    assert any("line 1" in line for line in lines)


@pytest.mark.parametrize(
    "dockerfile", ["FROM busybox:1.36\nFROBNICATE now\n", "", "FROM busybox:1.36\nCOPY nothing /\n"]
)
def test_a_dockerfile_that_cannot_be_carried_out_is_its_own_fault(
    builder: ImageBuilder, scope: EngineScope, dockerfile: str
) -> None:
    with pytest.raises(BuildFailed):
        make(builder, scope, {"Dockerfile": dockerfile, "a": ""})


# docker-py drops a unix socket whose connect failed without closing it; the collector does.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("which", BUILDERS)
@pytest.mark.parametrize("end", ["stopped", "killed", "well"])
def test_an_engine_that_goes_away_is_no_fault_of_the_dockerfile(
    which: str, end: str, engine_url: str, scope: EngineScope, tmp_path: Path
) -> None:
    """An engine that is stopped kills what runs in it, and says how that ended before it goes."""
    if not engine_url.startswith("unix://"):
        pytest.skip("the proxy is for engines on a local socket")
    proxy = EngineProxy(tmp_path / "engine.sock", engine_url.removeprefix("unix://"))
    with contextlib.closing(connect(proxy.url)) as api:
        builder = EngineBuilder(api) if which == "engine" else buildx(proxy.url)

        class Log(list[str]):
            def append(self, line: str) -> None:
                super().append(line)
                if line.endswith(" begun") or line == "begun":
                    {"stopped": proxy.refuse, "killed": proxy.stop, "well": lambda: None}[end]()

        files: dict[str, Content] = {"Dockerfile": "FROM busybox:1.36\nRUN echo begun; sleep 1; exit 137\n"}
        try:
            with pytest.raises(BuildFailed if end == "well" else BackendUnavailable):
                make(builder, scope, files, log=Log())
        finally:
            proxy.stop()


def test_a_registry_that_is_away_is_no_fault_of_the_dockerfile(builder: ImageBuilder, scope: EngineScope) -> None:
    # Port 9 (discard) of this machine: nothing listens.
    with pytest.raises(RegistryUnavailable):
        make(builder, scope, {"Dockerfile": "FROM 127.0.0.1:9/nothing:1\n"})


def test_cancelling_stops_the_build_on_the_engine(builder: ImageBuilder, scope: EngineScope) -> None:
    cancelled = threading.Event()
    files = {"Dockerfile": f"FROM busybox:1.36\nRUN echo {scope.name}; sleep 300\n"}

    class Log(list[str]):
        def append(self, line: str) -> None:
            super().append(line)
            if "sleep 300" in line:
                cancelled.set()

    begun = time.monotonic()
    with pytest.raises(Conflict, match="cancelled"):
        make(builder, scope, files, log=Log(), cancelled=cancelled)
    assert time.monotonic() - begun < 60
    wait_until_nothing_runs(scope.name)


def test_a_deadline_ends_the_build(builder: ImageBuilder, scope: EngineScope) -> None:
    files = {"Dockerfile": f"FROM busybox:1.36\nRUN echo {scope.name}; sleep 300\n"}
    with pytest.raises(DeadlineExceeded, match="2 s"):
        make(builder, scope, files, timeout_s=2)
    wait_until_nothing_runs(scope.name)


def wait_until_nothing_runs(name: str) -> None:
    """The step's own process is gone, which only the engine can have ended."""
    until = time.monotonic() + 30
    while any(name in command and "sleep 300" in command for command in commands()):
        assert time.monotonic() < until, "the build goes on"
        time.sleep(0.1)


def commands() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue


class BigTree(MemoryTree):
    """50 MB in 1 MB files that exist only while they are read."""

    def __init__(self, dockerfile: str, seed: str) -> None:
        super().__init__({"Dockerfile": dockerfile, **{f"big/{n:02}": f"{seed}{n}" for n in range(50)}})

    def read(self, path: str, limit_bytes: int | None = None) -> bytes:
        if not path.startswith("big/"):
            return super().read(path, limit_bytes)
        return random.Random(super().read(path)).randbytes(1 << 20)


def test_a_large_context_is_streamed(builder: ImageBuilder, scope: EngineScope) -> None:
    dockerfile = "FROM busybox:1.36\nCOPY . /srv\nRUN cat /srv/big/* | sha1sum\n"
    tree = BigTree(dockerfile, scope.name)
    digest = hashlib.sha1()
    for n in range(50):
        digest.update(tree.read(f"big/{n:02}"))
    spec, _ = build_plan(tree, {"context": "."}, origin=Origin("compose.yaml"))
    assert spec is not None
    lines: list[str] = []
    tracemalloc.start()
    try:
        make(builder, scope, {"Dockerfile": dockerfile}, tree=tree, log=lines)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert any(digest.hexdigest() in line for line in lines)
    # A few files' worth of a 50 MB context.
    assert peak_bytes < 8 << 20


class Checkout:
    """Random files and a random .dockerignore, on disk for docker's own client and as a tree for ours."""

    NAMES = ("a", "b", "ab", "a.b")
    PARTS = ("a", "b", "*", "**", "a*", "?", "[ab]", "*.f", "**b", "a.b", "*b.f")

    def __init__(self, folder: Path, seed: int) -> None:
        pick = random.Random(seed)
        paths = {"/".join(pick.choices(self.NAMES, k=pick.randint(1, 4))) + ".f" for _ in range(12)}
        rules = [
            ("!" if pick.random() < 0.4 else "") + "/".join(pick.choices(self.PARTS, k=pick.randint(1, 3)))
            for _ in range(pick.randint(1, 5))
        ]
        self.files = dict.fromkeys(paths, "x") | {
            "Dockerfile": "FROM scratch\nCOPY . /\n",
            ".dockerignore": "\n".join(rules),
        }
        for path, content in self.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content)


# Seeds 8 and 15 have exceptions with wildcards inside directories that are left out.
@pytest.mark.parametrize("seed", [1, 2, 3, 8, 15, 21])
def test_dockerignore_leaves_out_what_dockers_own_client_leaves_out(
    engine_url: str, docker_api: docker.APIClient, tmp_path: Path, seed: int
) -> None:
    buildx(engine_url)
    checkout = Checkout(tmp_path / "in", seed)
    command = [
        "docker",
        "buildx",
        "build",
        "--quiet",
        "--output",
        f"type=local,dest={tmp_path / 'out'}",
        str(tmp_path / "in"),
    ]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "DOCKER_HOST": engine_url})
    theirs = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*"))
    spec = spec_of(checkout.files)
    assert sorted(path for path, _ in visible(MemoryTree(checkout.files), "", spec.rules)) == theirs


def test_a_secret_reaches_its_step_and_nothing_else(engine_url: str, scope: EngineScope) -> None:
    files: dict[str, Content] = {
        "Dockerfile": "FROM busybox:1.36\n"
        "RUN --mount=type=secret,id=file --mount=type=secret,id=var "
        "cat /run/secrets/file /run/secrets/var | rev > /out\n",
        ".dockerignore": "*.txt\n",
        "file.txt": "hunter2",
    }
    build = {"context": ".", "secrets": [{"source": "file"}, {"source": "var"}]}
    project = {"file": {"file": "./file.txt"}, "var": {"environment": "VAR"}}
    lines: list[str] = []
    variables = {"VAR": "value of VAR"}
    image = make(buildx(engine_url), scope, files, build, log=lines, secrets=project, variables=variables)
    assert output(scope, image, "rev /out").strip() == "hunter2value of VAR"
    told = "".join(lines) + str(scope.api.history(image)) + str(scope.api.inspect_image(image))
    assert "hunter2" not in told
    assert "value of VAR" not in told


def test_a_secrets_variable_comes_from_what_interpolates_the_compose_file(engine_url: str, scope: EngineScope) -> None:
    """As Compose does: .env, and over it what the repository's configuration sets."""
    files: dict[str, Content] = {
        "compose.yaml": "services: {web: {build: {context: ., secrets: [one, two]}}}\n"
        "secrets: {one: {environment: ONE}, two: {environment: TWO}}\n",
        ".env": "ONE=from the file\nTWO=from the file\n",
        "Dockerfile": "FROM busybox:1.36\n"
        "RUN --mount=type=secret,id=one --mount=type=secret,id=two "
        "cat /run/secrets/one /run/secrets/two | rev > /out\n",
    }
    tree = MemoryTree(files)
    (app,) = load(tree, default_name="shop", environment={"TWO": " and from outside"}).applications
    choices, problems = TreeImageResolver(scope.name).choose(app, tree)
    assert problems == ()
    ref, spec = choices["web"].ref, choices["web"].build
    image = buildx(engine_url).build(
        spec,
        tree,
        tags=[ref],
        labels=scope.labels,
        log=lambda _line: None,
        cancelled=threading.Event(),
        timeout_s=120,
    )
    assert output(scope, image, "rev /out").strip() == "from the file and from outside"


def test_a_secret_that_its_own_step_prints_is_masked_in_the_log_and_in_the_failure(
    engine_url: str, scope: EngineScope
) -> None:
    files: dict[str, Content] = {
        "Dockerfile": "FROM busybox:1.36\nRUN --mount=type=secret,id=var cat /run/secrets/var >&2; false\n"
    }
    lines: list[str] = []
    with pytest.raises(BuildFailed) as caught:
        make(
            buildx(engine_url),
            scope,
            files,
            {"context": ".", "secrets": [{"source": "var"}]},
            log=lines,
            secrets={"var": {"environment": "VAR"}},
            variables={"VAR": "first line of it\nsecond line of it"},
        )
    told = "".join(lines) + str(caught.value) + "".join(caught.value.log_tail)
    assert "***" in told
    assert "line of it" not in told


def test_the_classic_builder_says_that_secrets_need_buildkit(docker_api: docker.APIClient, scope: EngineScope) -> None:
    build = {"context": ".", "secrets": [{"source": "var"}]}
    project = {"var": {"file": "Dockerfile"}}
    with pytest.raises(UnsupportedByBackend, match="BuildKit"):
        make(EngineBuilder(docker_api), scope, {"Dockerfile": "FROM busybox:1.36\n"}, build, secrets=project)


def test_arguments_are_not_among_a_processs_arguments(engine_url: str, scope: EngineScope) -> None:
    seen: list[str] = []
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            seen.extend(command for command in commands() if "buildx" in command and scope.name in command)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        files = {"Dockerfile": "FROM busybox:1.36\nARG WORD\nRUN test $WORD = xyzzy-plugh && sleep 1\n"}
        make(buildx(engine_url), scope, files, {"context": ".", "args": {"WORD": "xyzzy-plugh"}})
    finally:
        over.set()
        watcher.join()
    assert seen
    assert not any("xyzzy-plugh" in command for command in seen)


def test_the_same_key_finds_its_image_and_provenance_says_where_from(builder: ImageBuilder, scope: EngineScope) -> None:
    app = AppKey("default", "shop")
    files = {"web/Dockerfile": "FROM busybox:1.36\nCOPY page /page\n", "web/page": "one"}
    spec = spec_of(files, {"context": "web"})
    labels = provenance_labels(
        key=spec.key, installation=scope.name, repository="https://example.org/shop.git", commit="c0ffee", path="web"
    )
    ref = image_ref(app, "Web", spec.key, prefix=scope.name)
    image = builder.build(
        spec,
        MemoryTree(files),
        tags=[ref],
        labels={**labels, **scope.labels},
        log=lambda _line: None,
        cancelled=threading.Event(),
        timeout_s=120,
    )
    # A later commit that does not touch the context, and a revert, make the same name, which is there.
    later = spec_of({**files, "api/x": "y"}, {"context": "web"})
    found = scope.api.inspect_image(image_ref(app, "Web", later.key, prefix=scope.name))
    assert found["Id"] == image
    assert found["Config"]["Labels"]["trimtab.dev/build-key"] == spec.key
    assert found["Config"]["Labels"]["org.opencontainers.image.revision"] == "c0ffee"


def test_the_finding_names_what_there_is_and_the_choice_can_be_overridden(
    docker_api: docker.APIClient, engine_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = builder_finding(docker_api)
    assert found.engine_version in found.message
    assert choose_builder(docker_api, choice=BuilderChoice.ENGINE).buildx is None
    automatic = choose_builder(docker_api, docker_host=engine_url)
    assert (automatic.buildx is not None) == bool(found.buildx)
    assert automatic.engine is not None
    # A docker command without the plugin.
    fake = tmp_path / "docker"
    fake.write_text("#!/bin/sh\necho 'unknown command: docker buildx' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    without = builder_finding(docker_api)
    assert without.chosen is BuilderChoice.ENGINE
    assert "buildx" in without.hint
    with pytest.raises(ConfigError, match="not installed"):
        choose_builder(docker_api, choice=BuilderChoice.BUILDX, finding=without)


def test_a_secret_spec_holds_no_value() -> None:
    secret = BuildSecret(id="a", environment="TOKEN", value="hunter2")
    assert repr(secret) == "BuildSecret(id='a', file='', environment='TOKEN')"
