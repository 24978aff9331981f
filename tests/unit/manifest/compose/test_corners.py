"""Rarely walked ways of reading compose files: what is malformed is told at its place, and stops nothing else."""

from __future__ import annotations

import pytest

from tests.support.memory_tree import Content, Link
from tests.unit.manifest.compose.test_load import errors, get, load, project
from trimtab.manifest.compose.schema_check import _compiled, schema

WEB = "services: {web: {image: web}}\n"


def test_no_attribute_has_two_meanings_for_one_kind_of_value() -> None:
    """Else it would have to be tried what a value is meant as, and errors would be told of the wrong one."""

    def parts(part: object) -> list[dict[str, object]]:
        below = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        own = [part] if isinstance(part, dict) else []
        return [*own, *(found for inner in below for found in parts(inner))]

    choices = [_compiled(part) for part in parts(schema()) if "oneOf" in part]
    assert len(choices) > 20
    for choice in choices:
        kinds = ["number" if kind == "integer" else kind for option in choice.options for kind in option.kinds]
        assert len(kinds) == len(set(kinds)), choice.schema


def told(files: dict[str, Content] | str) -> list[str]:
    """Errors, as "place message"."""
    result = load({"compose.yaml": files} if isinstance(files, str) else files)
    assert result.project is None
    return [f"{d.origin} {d.message}" for d in result.diagnostics if d.severity == "error"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "services: {a: {image: x, extends: {file: 5, service: b}}}\n",
            "compose.yaml:1:42 services.a.extends.file is a number; it must be a text",
        ),
        (
            "services:\n  a:\n  b: {image: x, extends: {service: a}}\n",
            "compose.yaml:2:5 services.a is empty; it must be a mapping",
        ),
        (
            "services: {a: {image: x, env_file: [{path: 5}]}}\n",
            "compose.yaml:1:44 services.a.env_file[0].path is a number; it must be a text",
        ),
    ],
)
def test_what_another_part_cannot_use_is_told_once_and_by_the_schema(text: str, expected: str) -> None:
    assert told(text) == [expected]


def test_a_section_that_is_no_mapping_takes_nothing_from_an_include() -> None:
    files: dict[str, Content] = {"compose.yaml": "include: [other.yaml]\nservices: text\n", "other.yaml": WEB}
    assert told(files) == ["compose.yaml:2:11 services is a text; it must be a mapping"]


def test_an_includes_project_directory_has_to_be_in_the_repository() -> None:
    include = "include: [{path: other.yaml, project_directory: ../..}]\n"
    files: dict[str, Content] = {"compose.yaml": include + WEB, "other.yaml": "services: {b: {image: b}}\n"}
    assert told(files) == ["compose.yaml:1:49 the project directory '../..' leads out of the repository"]


def test_a_variable_that_is_not_set_in_a_text_of_many_lines_is_told_at_the_text() -> None:
    result = load({"compose.yaml": "services:\n  web:\n    image: web\n    command: |\n      one\n      ${GONE}\n"})
    (found,) = result.diagnostics
    assert (str(found.origin), found.message) == (
        "compose.yaml:4:14",
        "the variable GONE is not set; an empty string takes its place",
    )


def test_documents_of_an_extended_file_are_merged_as_those_of_the_application() -> None:
    base = (
        "services: {b: {image: x, labels: {a: '1', c: '1'}, volumes: ['/h:/a']}}\n---\n"
        "services: {b: {labels: {a: '2', c: !reset null}, volumes: ['/h:/b']}}\n"
    )
    files: dict[str, Content] = {
        "compose.yaml": "services: {web: {extends: {file: base.yaml, service: b}}}\n",
        "base.yaml": base,
    }
    web = get(project(files).services, "web")
    assert get(web, "labels") == {"a": "2"}
    assert [get(mount, "target") for mount in get(web, "volumes")] == ["/a", "/b"]  # type: ignore[attr-defined]


def test_a_service_of_a_file_without_services_cannot_be_extended() -> None:
    files: dict[str, Content] = {
        "compose.yaml": "services: {web: {image: x, extends: {file: base.yaml, service: b}}}\n",
        "base.yaml": "networks: {n: }\n",
    }
    assert told(files) == ["compose.yaml:1:64 service 'web' extends 'b', which is not in 'base.yaml'"]


def test_what_is_reset_may_never_have_been_there() -> None:
    files: dict[str, Content] = {
        "compose.yaml": "services: {web: {image: web, logging: }}\n",
        "more.yaml": "services: {web: {logging: {driver: local, options: !reset null}}}\n",
    }
    assert errors(load({"compose.yaml": files["compose.yaml"]})) == ["TT1201 compose.yaml:1:39"]
    assert get(project(files, "compose.yaml", "more.yaml").services, "web", "logging") == {"driver": "local"}


def test_a_pool_with_another_subnet_takes_the_place_of_all_and_each_that_goes_is_told() -> None:
    files: dict[str, Content] = {
        "compose.yaml": "services: {web: {image: web, networks: [n]}}\n"
        "networks: {n: {ipam: {config: [{subnet: 10.1.0.0/24}, {subnet: 10.2.0.0/24}]}}}\n",
        "more.yaml": "networks: {n: {ipam: {config: [{subnet: 10.3.0.0/24}]}}}\n",
    }
    result = load(files, "compose.yaml", "more.yaml")
    assert result.project is not None
    assert get(result.project.networks, "n", "ipam", "config") == [{"subnet": "10.3.0.0/24"}]
    said = [d.message for d in result.diagnostics if "is dropped" in d.message]
    assert [subnet in text for subnet, text in zip(("10.1.0.0/24", "10.2.0.0/24"), said, strict=True)] == [True, True]


def test_a_dockerfile_that_is_written_in_the_service_is_not_looked_for() -> None:
    build = 'services: {web: {build: {context: ., dockerfile_inline: "FROM x"}}}\n'
    assert get(project({"compose.yaml": build}).services, "web", "build", "dockerfile_inline") == "FROM x"


def test_a_build_context_behind_a_link_out_of_the_repository_is_refused() -> None:
    files: dict[str, Content] = {"compose.yaml": "services: {web: {build: {context: ./out}}}\n", "out": Link("/etc")}
    assert told(files) == ["compose.yaml:1:35 the build context './out' leads out of the repository"]
