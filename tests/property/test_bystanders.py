"""A commit makes a pass for the applications that it concerns and for no other, and nobody can tell the difference."""

from __future__ import annotations

from collections import ChainMap, Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.clock import FakeClock
from tests.support.memory_tree import Content, Link
from tests.support.process import MemoryRepository, Process
from tests.support.world import Script, World
from trimtab.model.keys import AppKey
from trimtab.model.records import Pin, Suspension
from trimtab.model.status import HealthStatus, Requeue, Retry, SyncStatus
from trimtab.runtime.reconciler import RESYNC_S

FILES: Mapping[str, Content] = {
    "apps/plain/compose.yaml": "services: {web: {image: 'web:1', network_mode: none}}\n",
    "apps/env/compose.yaml": "services: {web: {image: 'web:1', env_file: [../../shared/app.env]}}\n",
    "apps/ext/compose.yaml": "services: {web: {extends: {file: ../../shared/base.yaml, service: base}}}\n",
    "apps/inc/compose.yaml": "include: [../../shared/included.yaml]\nservices: {web: {image: 'web:1'}}\n",
    "apps/dot/compose.yaml": "services: {web: {image: 'web:${TAG}'}}\n",
    "apps/dot/.env": "TAG=1\n",
    "apps/built/compose.yaml": "services: {web: {build: {context: ../../src, dockerfile: docker/Dockerfile}}}\n",
    "apps/conf/compose.yaml": (
        "services: {web: {image: 'web:1', configs: [c], volumes: ['./files:/files:ro']}}\n"
        "configs: {c: {file: ../../shared/c.conf}}\n"
    ),
    "apps/conf/files/a/b": "content\n",
    "apps/marked/compose.yaml": "services: {web: {image: 'web:1', label_file: ../../shared/labels}}\n",
    "apps/linked/compose.yaml": Link("../../shared/linked.yaml"),
    "apps/first/compose.yaml": "services: {web: {image: 'web:1', ports: ['8080:80']}}\n",
    "apps/second/compose.yaml": "services: {web: {image: 'web:1', ports: ['8081:80']}}\n",
    "apps/after/compose.yaml": (
        "services: {web: {image: 'web:1'}}\nx-trimtab: {dependsOn: [{name: plain}, {name: first}]}\n"
    ),
    "apps/manual/compose.yaml": (
        "services: {web: {image: 'web:1'}}\nx-trimtab: {syncPolicy: {automated: {enabled: false}}}\n"
    ),
    "declared.yaml": (
        "apiVersion: trimtab.dev/v1alpha1\nkind: Application\nmetadata: {name: kind}\n"
        "spec: {source: {path: elsewhere}, compose: {files: [one.yaml, two.yaml]}}\n"
    ),
    "elsewhere/one.yaml": "services: {web: {image: 'web:1'}}\n",
    "elsewhere/two.yaml": "services: {web: {environment: {A: '1'}}}\n",
    "shared/app.env": "A=1\n",
    "shared/base.yaml": "services: {base: {image: 'web:1'}}\n",
    "shared/included.yaml": "services: {side: {image: 'web:1'}}\n",
    "shared/labels": "a=1\n",
    "shared/c.conf": "one\n",
    "shared/linked.yaml": "services: {web: {image: 'web:1'}}\n",
    "src/docker/Dockerfile": "FROM scratch\nCOPY . /\n",
    "src/.dockerignore": "*.md\n",
    "src/main": "program\n",
    "src/readme.md": "words\n",
    "notes.md": "words\n",
}
# More than any of them needs, so that one that fails for good ends it.
TURNS = 12
APPS = sorted({path.split("/")[1] for path in FILES if path.startswith("apps/")} | {"kind"})


class Lab:
    """A controller over ``FILES`` on an engine in memory."""

    def __init__(self, directory: Path) -> None:
        self.clock = FakeClock()
        self.repository = MemoryRepository()
        self.files = dict(FILES)
        self.repository.push(self.files)
        self.process = Process(World(self.clock), self.repository, directory, self.clock)
        self.to_rest(self.process.follow())

    def push(self, edits: Mapping[str, Content | None]) -> frozenset[str]:
        """A commit; the names of those that have a pass for it, after which all is at rest."""
        merged = {**self.files, **edits}
        self.files = {path: content for path, content in merged.items() if content is not None}
        self.repository.push(self.files)
        woken = self.process.follow()
        self.to_rest(woken)
        return frozenset(key.name for key in woken)

    def to_rest(self, keys: Iterable[AppKey]) -> None:
        """Passes for these and whoever they wake, as often as they ask for one soon."""
        todo, turns = dict.fromkeys(sorted(keys)), Counter[AppKey]()
        while todo:
            key = next(iter(todo))
            del todo[key]
            if self.process.catalog.view(key) is None or (turns := turns + Counter([key]))[key] > TURNS:
                continue
            self.process.woken.clear()
            self.clock.advance(12)
            followed = self.process.reconcile(key)
            soon = isinstance(followed, Retry) or (isinstance(followed, Requeue) and followed.after_s < RESYNC_S)
            todo |= dict.fromkeys([*self.process.woken, *([key] if soon else [])])

    def told(self) -> list[object]:
        """All that is known and there, but for when it was looked at."""
        said: list[object] = [self.process.world.snapshot()]
        for key in self.process.catalog.keys():  # noqa: SIM118 - a catalog is no mapping
            status = self.process.store.statuses.get(key)
            assert status is not None, key
            conditions = tuple((c.type, c.status, c.reason, c.message) for c in status.conditions)
            said.append(replace(status, observed_at=None, since=None, conditions=()))
            said.append((conditions, replace(self.process.store.applied.get(key), updated_at=None)))
        return said

    def nobody_was_left_out(self) -> None:
        """A pass for each application finds nothing to do and nothing to say."""
        before, steps = self.told(), len(self.process.world.performed)
        for key in self.process.catalog.keys():  # noqa: SIM118 - a catalog is no mapping
            self.process.reconcile(key)
        assert len(self.process.world.performed) == steps
        assert self.told() == before


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = Lab(tmp_path_factory.mktemp("bystanders"))
    yield made
    made.process.close()


@pytest.fixture
def lab(shared: Lab) -> Iterator[Lab]:
    """The same one for all, as it was at first."""
    yield shared
    if shared.files != FILES:
        shared.push({**dict.fromkeys(shared.files), **FILES})


EDITS: Mapping[str, tuple[Mapping[str, Content | None], set[str]]] = {
    "nothing that anybody reads": ({"notes.md": "other words\n"}, set()),
    "a file beside an application": ({"apps/plain/notes.md": "words\n"}, set()),
    "its own file": ({"apps/plain/compose.yaml": "services: {web: {image: 'web:2', network_mode: none}}\n"}, {"plain"}),
    "env_file": ({"shared/app.env": "A=2\n"}, {"env"}),
    "extends": ({"shared/base.yaml": "services: {base: {image: 'web:2'}}\n"}, {"ext"}),
    "include": ({"shared/included.yaml": "services: {side: {image: 'web:2'}}\n"}, {"inc"}),
    ".env": ({"apps/dot/.env": "TAG=2\n"}, {"dot"}),
    "label_file": ({"shared/labels": "a=2\n"}, {"marked"}),
    "a config's file": ({"shared/c.conf": "two\n"}, {"conf"}),
    "a mounted directory": ({"apps/conf/files/a/b": "other\n"}, {"conf"}),
    "a file that is linked to": ({"shared/linked.yaml": "services: {web: {image: 'web:2'}}\n"}, {"linked"}),
    "a second compose file": ({"elsewhere/two.yaml": "services: {web: {environment: {A: '2'}}}\n"}, {"kind"}),
    "a build context": ({"src/main": "another program\n"}, {"built"}),
    "a Dockerfile": ({"src/docker/Dockerfile": "FROM scratch\nCOPY main /\n"}, {"built"}),
    ".dockerignore": ({"src/.dockerignore": "*.txt\n"}, {"built"}),
    "a Dockerfile's own .dockerignore": ({"src/docker/Dockerfile.dockerignore": "*.txt\n"}, {"built"}),
    "its settings": (
        {"apps/plain/compose.yaml": f"{FILES['apps/plain/compose.yaml']}x-trimtab: {{suspend: true}}\n"},
        {"plain"},
    ),
    "a directory moved": ({"apps/moved/compose.yaml": FILES["apps/plain/compose.yaml"]}, {"moved"}),
    "an application removed": ({"apps/marked/compose.yaml": None}, {"marked"}),
    "a compose file of another name that wins": (
        {"apps/env/docker-compose.yaml": "services: {web: {image: 'web:9'}}\n"},
        {"env"},
    ),
    "an override": ({"apps/env/compose.override.yaml": "services: {web: {image: 'web:9'}}\n"}, {"env"}),
}


def test_a_commit_makes_a_pass_for_those_that_read_any_of_what_it_changed(lab: Lab) -> None:
    several = ["nothing that anybody reads", "env_file", "include", "a build context", "an application removed"]
    assert lab.push(dict(ChainMap(*(dict(EDITS[what][0]) for what in several)))) == set().union(
        *(EDITS[what][1] for what in several)
    )
    lab.nobody_was_left_out()


@pytest.mark.slow
@pytest.mark.parametrize("what", EDITS)
def test_a_commit_makes_a_pass_for_those_that_read_what_it_changed(lab: Lab, what: str) -> None:
    edits, expected = EDITS[what]
    before = {path: lab.files.get(path) for path in edits}
    assert lab.push(edits) == expected
    lab.nobody_was_left_out()
    # What was rendered a commit ago is at hand, and is not taken for what is wanted now.
    assert lab.push(before) == expected
    lab.nobody_was_left_out()
    assert {lab.process.status(AppKey("default", name)).desired_revision for name in APPS} == {lab.repository.head}


def test_those_that_clash_are_woken_by_what_the_other_one_does(lab: Lab) -> None:
    second, first = AppKey("default", "second"), "apps/first/compose.yaml"
    assert lab.push({"apps/second/compose.yaml": FILES[first]}) == {"second"}
    assert lab.process.status(second).sync is SyncStatus.UNKNOWN
    # It is held, so that each commit is looked at: another may be what it waits for.
    assert lab.push({"notes.md": "more words\n"}) == {"second"}
    assert lab.push({first: None}) == {"first", "second", "after"}
    assert lab.process.status(second).sync is SyncStatus.SYNCED
    lab.nobody_was_left_out()


def test_who_waits_for_an_application_that_a_commit_does_not_concern_goes_on(lab: Lab) -> None:
    later = str(FILES["apps/after/compose.yaml"])
    assert lab.push({"apps/after/compose.yaml": later.replace("web:1", "web:2")}) == {"after"}
    assert lab.process.status(AppKey("default", "after")).sync is SyncStatus.SYNCED
    lab.nobody_was_left_out()


def test_what_failed_is_held_or_is_suspended_has_a_pass_for_each_commit(lab: Lab) -> None:
    plain, env, dot = (AppKey("default", name) for name in ("plain", "env", "dot"))
    lab.process.world.scripts["broken:1"] = Script(exits=1)
    lab.push({"apps/plain/compose.yaml": "services: {web: {image: 'broken:1', restart: 'no'}}\n"})
    assert lab.process.status(plain).sync is not SyncStatus.SYNCED
    now = lab.clock.now()
    revision = lab.process.store.applied.get(env).applied_revision
    lab.process.store.holds.pin(Pin(app=env, revision=revision, since=now, by="ada"))
    lab.process.store.holds.suspend(Suspension(app=dot, reason="a freeze", by="ada", since=now))
    lab.to_rest((env, dot))
    assert lab.push({"notes.md": "yet more words\n"}) == {"plain", "env", "dot"}
    lab.nobody_was_left_out()
    lab.process.store.holds.unpin(env)
    lab.process.store.holds.resume(dot)
    lab.to_rest((env, dot))


def test_after_a_start_each_application_has_a_pass(lab: Lab, tmp_path: Path) -> None:
    again = Process(lab.process.world, lab.repository, tmp_path, lab.clock)
    assert {key.name for key in again.follow()} == set(APPS)
    again.close()


def test_a_record_that_moves_on_is_what_a_pass_would_have_written(lab: Lab) -> None:
    plain, manual = AppKey("default", "plain"), AppKey("default", "manual")
    passes = lab.process.passes
    assert lab.push({"notes.md": "the last words\n"}) == set()
    assert lab.process.passes == passes
    head, store = lab.repository.head, lab.process.store
    state, status = store.applied.get(plain), lab.process.status(plain)
    assert {state.desired_revision, state.applied_revision, state.healthy_revision} == {head}
    assert {status.desired_revision, status.applied_revision, status.healthy_revision} == {head}
    assert lab.repository.kept["healthy/default/plain"] == head
    # Not deployed, and so not said to be.
    state, status = store.applied.get(manual), lab.process.status(manual)
    assert (state.desired_revision, state.applied_revision, status.applied_revision) == (head, "", "")
    assert (status.sync, status.health) == (SyncStatus.OUT_OF_SYNC, HealthStatus.MISSING)
    lab.nobody_was_left_out()


_EDITED = sorted(path for path, content in FILES.items() if isinstance(content, str))
_change = st.tuples(st.sampled_from(_EDITED), st.sampled_from(["comment", "value", "gone", "back", "moved", "broken"]))


def _edited(files: Mapping[str, Content], path: str, how: str) -> Mapping[str, Content | None]:
    text = files.get(path, FILES[path])
    assert isinstance(text, str)
    match how:
        case "comment":
            return {path: f"{text}# a comment\n"}
        case "value":
            return {path: text.replace("1", "2") if "1" in text else text.replace("2", "1")}
        case "gone":
            return {path: None}
        case "moved":
            return {path: None, f"other/{path}": text}
        case "broken":
            return {path: f"{text}}}: [\n"}
        case _:
            return {path: FILES[path], f"other/{path}": None}


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(commits=st.lists(st.lists(_change, min_size=1, max_size=3), min_size=1, max_size=5))
def test_whatever_commits_there_are_nobody_who_is_concerned_is_left_out(
    lab: Lab, commits: list[list[tuple[str, str]]]
) -> None:
    for commit in commits:
        edits: dict[str, Content | None] = {}
        for path, how in commit:
            edits |= _edited(lab.files, path, how)
        lab.push(edits)
        lab.nobody_was_left_out()
