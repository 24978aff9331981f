"""Whatever a repository names, by a path, a link or a chain of links: nothing outside of the commit is ever read.

Files come from Git's objects, so that a link that would be followed has nothing to lead to; it is told all the same.
"""

from __future__ import annotations

import pytest

from tests.support.memory_tree import Content, Link, MemoryTree
from trimtab.backends.engine.dialect import EngineDialect
from trimtab.images.resolver import TreeImageResolver
from trimtab.manifest.load import load
from trimtab.model.application import Application

OUTSIDE: dict[str, dict[str, Content]] = {
    "absolute": {"app/x": Link("/proc/self/environ")},
    "upwards": {"app/x": Link("../../../../etc/passwd")},
    "chain": {"app/x": Link("one"), "app/one": Link("two"), "app/two": Link("/etc/passwd")},
    "loop": {"app/x": Link("y"), "app/y": Link("x")},
    "through a directory": {"app/dir": Link("../.."), "app/x": Link("dir/etc/passwd")},
}
USES = {
    "env_file": "services: {a: {image: i, env_file: x}}",
    "label_file": "services: {a: {image: i, label_file: x}}",
    "config": "services: {a: {image: i, configs: [c]}}\nconfigs: {c: {file: ./x}}",
    "secret": "services: {a: {image: i, secrets: [s]}}\nsecrets: {s: {file: ./x}}",
    "bind": "services: {a: {image: i, volumes: ['./x:/x:ro']}}",
    "context": "services: {a: {build: ./x}}",
    "dockerfile": "services: {a: {build: {context: ., dockerfile: x}}}",
    "build secret": "services: {a: {build: {context: ., secrets: [s]}}}\nsecrets: {s: {file: ./x}}",
    "extends": "services: {a: {extends: {file: x, service: b}}}",
    "include": "include: [x]\nservices: {a: {image: i}}",
    "patched": "x-trimtab:\n  patches:\n"
    "  - {target: {kind: Service, name: a}, patch: [{op: add, path: /env_file, value: x}]}\n"
    "services: {a: {image: i}}",
}
DOCKERFILE: dict[str, Content] = {"app/Dockerfile": "FROM scratch\n"}


def refusals(files: dict[str, Content]) -> list[str]:
    """Every error, of reading and of rendering."""
    tree = MemoryTree(files)
    result = load(tree, default_name="app")
    found = [d for failed in result.failed for d in failed.diagnostics]
    for app in result.applications:
        found += rendered(app, tree)
    return [str(d) for d in found if d.severity == "error"]


def rendered(app: Application, tree: MemoryTree) -> list[object]:
    images, problems = TreeImageResolver().choose(app, tree)
    desired = EngineDialect(installation="i", seal_key=b"").render(app, tree, "r", images)
    return [*problems, *desired.diagnostics]


@pytest.mark.parametrize("link", OUTSIDE)
@pytest.mark.parametrize("use", USES)
def test_a_link_out_of_the_repository_is_refused_wherever_it_is_used(use: str, link: str) -> None:
    files = {**DOCKERFILE, **OUTSIDE[link], "app/compose.yaml": USES[use]}
    if use == "patched":
        files["x"] = files.pop("app/x")  # its paths begin at the root
    assert refusals(files)


@pytest.mark.parametrize("use", USES)
def test_inside_of_it_the_same_is_fine(use: str) -> None:
    compose = "services: {b: {image: i}}"
    there: dict[str, dict[str, Content]] = {
        "context": {"app/x/Dockerfile": "FROM scratch"},
        "dockerfile": {"app/x": "FROM scratch"},
        "extends": {"app/x": compose},
        "include": {"app/x": compose},
        "patched": {"x": "X=1"},
    }
    assert refusals({**DOCKERFILE, "app/compose.yaml": USES[use], **there.get(use, {"app/x": "X=1"})}) == []


@pytest.mark.parametrize(
    "path", ["../../etc/passwd", "./../../../x", "~/x", "..%2f..%2fx", "\u2025/\u2025/x", "sub/../../../x"]
)
@pytest.mark.parametrize("use", USES)
def test_a_path_out_of_the_repository_is_refused_and_nothing_is_decoded(use: str, path: str) -> None:
    text = (
        USES[use]
        .replace("./x", path)
        .replace("env_file: x", f"env_file: {path}")
        .replace("label_file: x", f"label_file: {path}")
    )
    text = (
        text.replace("dockerfile: x", f"dockerfile: {path}")
        .replace("file: x", f"file: {path}")
        .replace("[x]", f"[{path}]")
    )
    text = text.replace("value: x", f"value: {path}")
    assert path in text
    assert refusals({**DOCKERFILE, "app/compose.yaml": text, "x": "X=1", "etc/passwd": "X=1"})


def test_names_that_differ_by_case_alone_are_two_files() -> None:
    """On a checkout, one would be written over the other on some file systems."""
    files: dict[str, Content] = {
        "app/compose.yaml": "services: {a: {image: i, env_file: [e, E]}}",
        "app/e": "X=1",
        "app/E": "Y=2",
    }
    (app,) = load(MemoryTree(files), default_name="app").applications
    assert app.compose.services["a"]["environment"] == {"X": "1", "Y": "2"}


def test_a_value_stays_a_value_whatever_it_holds() -> None:
    """A variable's text is neither YAML, nor an expression, nor another line."""
    value = "x, privileged: true}\n    image: evil ${OTHER} $OTHER *a <<: &b !!python/object"
    files: dict[str, Content] = {
        "app/compose.yaml": 'services: {a: {image: i, user: "${V}", labels: {l: "${V}"}}}',
        "app/e": "",
    }
    (app,) = load(MemoryTree(files), default_name="app", environment={"V": value, "OTHER": "no"}).applications
    service = app.compose.services["a"]
    assert (service["user"], service["labels"], service["image"]) == (value, {"l": value}, "i")
    assert "privileged" not in service
