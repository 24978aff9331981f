"""From the files of a commit to a project: extends, include, profiles, variables, paths, places."""

from __future__ import annotations

import json
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.memory_tree import Content, Link, MemoryTree, Submodule
from trimtab.manifest.compose.load import ComposeResult, load_compose
from trimtab.manifest.nodes import MappingNode
from trimtab.manifest.yaml_nodes import parse
from trimtab.model.application import ComposeProject
from trimtab.model.diagnostics import Severity


def load(files: dict[str, Content], *names: str, **options: object) -> ComposeResult:
    chosen = names or ("compose.yaml",)
    return load_compose(MemoryTree(files), chosen, project_name="app", **options)  # type: ignore[arg-type]


def project(files: dict[str, Content], *names: str, **options: object) -> ComposeProject:
    result = load(files, *names, **options)
    assert result.project is not None, [str(d) for d in result.diagnostics]
    return result.project


def errors(result: ComposeResult) -> list[str]:
    assert result.project is None
    return [f"{d.code} {d.origin}" for d in result.diagnostics if d.severity is Severity.ERROR]


def notes(result: ComposeResult) -> list[str]:
    return [f"{d.severity} {d.code} {d.origin}" for d in result.diagnostics]


def get(value: object, *path: str | int) -> object:
    for step in path:
        value = cast("dict[str | int, object]", value)[step]
    return value


# --- extends


def test_a_service_extends_one_of_another_directory_and_its_paths_stay_there() -> None:
    found = project(
        {
            "app/compose.yaml": "services: {a: {extends: {file: ../lib/base.yaml, service: b},"
            " volumes: ['./own:/own']}}",
            "app/own/f": "",
            "lib/base.yaml": "services: {b: {build: {context: src}, volumes: ['./data:/data', '/abs:/abs'],"
            " env_file: b.env, label_file: b.labels}}",
            "lib/src/Dockerfile": "",
            "lib/data/f": "",
            "lib/b.env": "E=1",
            "lib/b.labels": "l=1",
        },
        "app/compose.yaml",
    )
    service = found.services["a"]
    assert get(service, "build", "context") == "./lib/src"
    mounts = cast("list[dict[str, object]]", service["volumes"])
    assert [mount["source"] for mount in mounts] == ["./lib/data", "/abs", "./app/own"]
    assert service["environment"] == {"E": "1"}
    assert service["labels"] == {"l": "1"}
    assert "env_file" not in service
    assert "extends" not in service
    assert str(found.origin("services", "a", "build", "context")) == "lib/base.yaml:1:24"
    assert str(found.origin("services", "a", "environment", "E")) == "lib/b.env:1:1"


def test_extends_says_what_is_not_there() -> None:
    result = load(
        {
            "compose.yaml": """services:
  a: {image: i, extends: nobody}
  b: {image: i, extends: {file: none.yaml, service: x}}
  c: {image: i, extends: {file: lib.yaml, service: x}}
  d: {image: i, extends: {file: ../up.yaml, service: x}}
  e: {image: i, extends: {file: 'https://example.com/x.yaml', service: x}}
  f: {image: i, extends: {file: lib.yaml}}
""",
            "lib.yaml": "services: {y: {image: i}}",
        }
    )
    assert errors(result) == [
        "TT1070 compose.yaml:2:26",
        "TT1020 compose.yaml:3:33",
        "TT1070 compose.yaml:4:52",
        "TT1022 compose.yaml:5:33",
        "TT1023 compose.yaml:6:33",
        "TT1205 compose.yaml:7:26",
    ]


@pytest.mark.parametrize(
    "files",
    [
        {"compose.yaml": "services: {a: {image: i, extends: b}, b: {extends: a}}"},
        {"compose.yaml": "services: {a: {image: i, extends: a}}"},
        {
            "compose.yaml": "services: {a: {image: i, extends: {file: x.yaml, service: a}}}",
            "x.yaml": "services: {a: {extends: {file: compose.yaml, service: a}}}",
        },
    ],
)
def test_a_circle_of_extends_is_an_error(files: dict[str, Content]) -> None:
    result = load(files)
    assert {error.split()[0] for error in errors(result)} == {"TT1071"}
    circle = next(d for d in result.diagnostics if d.code == "TT1071")
    assert " -> " in circle.message


def test_an_extended_file_is_read_once_and_its_include_has_no_effect() -> None:
    tree = MemoryTree(
        {
            "compose.yaml": "services: {a: {extends: {file: x.yaml, service: s}},"
            " b: {extends: {file: x.yaml, service: s}}}",
            "x.yaml": "include: [y.yaml]\nservices: {s: {image: i}}",
            "y.yaml": "services: {t: {image: i}}",
        }
    )
    result = load_compose(tree, ["compose.yaml"], project_name="app")
    assert tree.reads.count("x.yaml") == 1
    assert result.project is not None
    assert list(result.project.services) == ["a", "b"]
    assert notes(result) == ["warning TT1095 x.yaml:1:1"]


# --- include


def test_an_include_has_its_own_directory_and_variables() -> None:
    found = project(
        {
            "compose.yaml": "include: [sub/compose.yaml]\nservices: {a: {image: '$WHO'}}",
            ".env": "WHO=outer\n",
            "sub/compose.yaml": "services: {b: {image: '$WHO-$SUB', build: {}, environment: [SUB, WHO]}}\n"
            "secrets: {s: {environment: SUB}}",
            "sub/.env": "WHO=inner\nSUB=${WHO}1\n",
            "sub/Dockerfile": "",
        }
    )
    assert found.services["a"]["image"] == "outer"
    assert found.services["b"]["image"] == "outer-outer1"
    assert get(found.services["b"], "build", "context") == "./sub"
    assert found.services["b"]["environment"] == {"SUB": "outer1", "WHO": "outer"}


def test_a_secret_of_an_included_file_finds_its_variable() -> None:
    found = project(
        {
            "compose.yaml": "include: [sub/compose.yaml]\nservices: {}",
            "sub/compose.yaml": "services: {b: {image: i, secrets: [s]}}\nsecrets: {s: {environment: SUB}}",
            "sub/.env": "SUB=value\nOTHER=x\n",
        }
    )
    assert found.environment["SUB"] == "value"
    assert "OTHER" not in found.environment


def test_two_included_files_may_not_mean_different_values_for_one_secret_variable() -> None:
    result = load(
        {
            "compose.yaml": "include: [a/c.yaml, b/c.yaml]\nservices: {}",
            "a/c.yaml": "services: {a: {image: i, secrets: [s]}}\nsecrets: {s: {environment: V}}",
            "a/.env": "V=1",
            "b/c.yaml": "services: {b: {image: i, configs: [t]}}\nconfigs: {t: {environment: V}}",
            "b/.env": "V=2",
        }
    )
    assert errors(result) == ["TT1082 b/c.yaml:2:28"]


def test_the_long_form_of_include() -> None:
    found = project(
        {
            "compose.yaml": "include: [{path: [a/b/one.yaml, a/b/two.yaml], project_directory: a, env_file: [x.env]}]\n"
            "services: {}",
            "x.env": "T=tag",
            "a/.env": "T=not-this",
            "a/v/f": "",
            "a/b/one.yaml": "services: {s: {image: 'i:$T', volumes: ['./v:/v']}}",
            "a/b/two.yaml": "services: {s: {labels: [l]}}",
        }
    )
    assert found.services["s"]["image"] == "i:tag"
    assert get(found.services["s"], "volumes", 0, "source") == "./a/v"
    assert found.services["s"]["labels"] == {"l": ""}


def test_no_env_file_can_be_asked_for() -> None:
    result = load(
        {
            "compose.yaml": "include: [{path: sub/c.yaml, env_file: /dev/null}]\nservices: {}",
            "sub/c.yaml": "services: {s: {image: 'i$V', env_file: /dev/null}}",
            "sub/.env": "V=1",
        }
    )
    assert result.project is not None
    assert result.project.services["s"]["image"] == "i"
    assert notes(result) == ["warning TT1040 sub/c.yaml:1:25"]


def test_a_conflict_names_both_places_and_equal_resources_are_none() -> None:
    result = load(
        {
            "compose.yaml": "include: [sub.yaml]\nservices:\n  a: {image: mine}\n  same: {image: i}\nnetworks: {n: {}}",
            "sub.yaml": "services: {a: {image: theirs}, same: {image: i, networks: [n]}}\nnetworks: {n: {}}",
        }
    )
    assert errors(result) == ["TT1082 compose.yaml:3:3", "TT1082 compose.yaml:4:3"]
    assert "sub.yaml:1:12" in result.diagnostics[0].message


def test_a_second_file_may_change_what_was_included() -> None:
    found = project(
        {
            "compose.yaml": "include: [sub.yaml]\nservices: {}",
            "sub.yaml": "services: {a: {image: old, ports: ['1:1']}}",
            "over.yaml": "services: {a: {image: new, ports: !reset []}}",
        },
        "compose.yaml",
        "over.yaml",
    )
    assert found.services["a"] == {
        "image": "new",
        "networks": {"default": None},
        **{key: value for key, value in found.services["a"].items() if value is None},
    }


def test_what_include_cannot_do_is_said() -> None:
    result = load(
        {
            "compose.yaml": """include:
  - https://example.com/repo.git
  - oci://example.com/app
  - git@example.com:x/y.git
  - ../up.yaml
  - none.yaml
  - {paths: x}
  - {path: ok.yaml, env_file: none.env}
  - 3
  - [a]
services: {a: {image: i}}
""",
            "ok.yaml": "services: {}",
        }
    )
    assert errors(result) == [
        "TT1023 compose.yaml:2:5",
        "TT1023 compose.yaml:3:5",
        "TT1023 compose.yaml:4:5",
        "TT1022 compose.yaml:5:5",
        "TT1020 compose.yaml:6:5",
        "TT1081 compose.yaml:7:5",
        "TT1081 compose.yaml:7:6",
        "TT1020 compose.yaml:8:31",
        "TT1081 compose.yaml:9:5",
        "TT1081 compose.yaml:10:5",
    ]
    assert "did you mean 'path'?" in [d.hint for d in result.diagnostics]


def test_a_circle_of_includes_is_an_error_with_the_way() -> None:
    result = load(
        {
            "compose.yaml": "include: [a.yaml]\nservices: {x: {image: i}}",
            "a.yaml": "include: [d/b.yaml]\nservices: {y: {image: i}}",
            "d/b.yaml": "include: [../a.yaml]\nservices: {z: {image: i}}",
        }
    )
    assert errors(result) == ["TT1080 d/b.yaml:1:11"]
    assert "a.yaml -> d/b.yaml -> a.yaml" in result.diagnostics[0].message


def test_includes_nest_to_a_limit() -> None:
    files: dict[str, Content] = {
        f"f{i}.yaml": f"include: [f{i + 1}.yaml]\nservices: {{s{i}: {{image: i}}}}" for i in range(40)
    }
    files["f40.yaml"] = "services: {}"
    assert {error.split()[0] for error in errors(load(files, "f0.yaml"))} == {"TT1080"}


def test_settings_of_an_included_file_have_no_effect() -> None:
    result = load(
        {
            "compose.yaml": "include: [sub.yaml]\nservices: {}",
            "sub.yaml": "x-trimtab: {suspend: true}\nservices: {a: {image: i}}",
        }
    )
    assert notes(result) == ["warning TT1095 sub.yaml:1:1"]


# --- variables and env files


def test_given_variables_win_over_env_files() -> None:
    files: dict[str, Content] = {
        "compose.yaml": "services: {a: {image: 'i$A$B$C$COMPOSE_PROJECT_NAME'}}",
        ".env": "A=dot\n",
        "x.env": "A=1\nB=1\n",
        "y.env": "B=2$A\nC=$B\n",
    }
    assert project(files, env_files=["x.env", "y.env"]).services["a"]["image"] == "i121" + "21app"
    assert project(files, environment={"B": "", "C": "c"}).services["a"]["image"] == "idotcapp"
    assert project(files, environment={"B": "", "C": "c"}).environment["A"] == "dot"


def test_composes_own_settings_in_an_env_file() -> None:
    result = load(
        {
            "compose.yaml": "services: {a: {image: i}, b: {image: i, profiles: [p]}}",
            ".env": "COMPOSE_FILE=x.yaml\nCOMPOSE_PROFILES=p\nCOMPOSE_PROJECT_NAME=other\n",
        }
    )
    assert notes(result) == ["warning TT1095 .env:1:1", "info TT1091 .env:3:1"]
    assert result.project is not None
    assert list(result.project.services) == ["a", "b"]
    assert result.project.environment["COMPOSE_PROJECT_NAME"] == "app"


def test_a_services_env_files() -> None:
    found = project(
        {
            "compose.yaml": """services:
  a:
    image: i
    environment: {OWN: own, TOLD: , KEPT_EMPTY: }
    env_file: [one.env, {path: none.env, required: false}, {path: raw.env, format: raw}]
""",
            ".env": "TOLD=told\n",
            "one.env": "OWN=file\nX=$OWN-$TOLD\nKEPT_EMPTY=file\n",
            "raw.env": "Y=$X\n",
        }
    )
    assert found.services["a"]["environment"] == {
        "OWN": "own",
        "TOLD": "told",
        "KEPT_EMPTY": None,
        "X": "own-told",
        "Y": "$X",
    }


def test_an_env_file_that_is_missing_or_broken_names_the_place() -> None:
    result = load(
        {
            "compose.yaml": """services:
  a: {image: i, env_file: none.env}
  b: {image: i, env_file: [{path: bad.env}]}
  c: {image: i, env_file: [{path: bad.env, format: toml}]}
  d: {image: i, env_file: /etc/passwd}
  e: {image: i, label_file: none.labels}
  f: {image: i, env_file: dir}
""",
            "bad.env": "A=1\nb b=2\n",
            "dir/x": "",
        }
    )
    found = errors(result)
    assert found == [
        "TT1026 bad.env:2:1",
        "TT1020 compose.yaml:2:27",
        "TT1027 compose.yaml:4:52",
        "TT1022 compose.yaml:5:27",
        "TT1020 compose.yaml:6:29",
        "TT1021 compose.yaml:7:27",
    ]


# --- profiles


PROFILES: dict[str, Content] = {
    "compose.yaml": """services:
  always: {image: i, depends_on: {tool: {condition: service_started, required: false}}}
  tool: {image: i, profiles: [tools, debug], networks: [n], volumes: ["vol:/v"]}
networks: {n: {}, never: {}}
volumes: {vol: {}}
"""
}


@pytest.mark.parametrize(
    ("profiles", "services"),
    [
        ((), ["always"]),
        (("debug",), ["always", "tool"]),
        (("*",), ["always", "tool"]),
    ],
)
def test_services_of_enabled_profiles(profiles: tuple[str, ...], services: list[str]) -> None:
    found = project(PROFILES, profiles=profiles)
    assert list(found.services) == services
    assert ("n" in found.networks) is ("tool" in services)
    assert ("vol" in found.volumes) is ("tool" in services)


def test_a_resource_that_no_service_could_use_is_noted() -> None:
    assert notes(load(PROFILES)) == ["info TT1093 compose.yaml:4:19"]


def test_an_unknown_profile_is_a_warning() -> None:
    assert "warning TT1095 compose.yaml:1:1" in notes(load(PROFILES, profiles=["nope"]))


@pytest.mark.parametrize(
    ("need", "column"),
    [
        ("depends_on: [tool]", 31),
        ("links: ['tool:t']", 26),
        ("network_mode: 'service:tool'", 32),
        ("volumes_from: [tool]", 33),
        ("build: {additional_contexts: {t: 'service:tool'}}", 51),
    ],
)
def test_needing_a_service_that_is_off_is_an_error(need: str, column: int) -> None:
    result = load(
        {
            "compose.yaml": "services:\n"
            f"  a: {{image: i, {need}}}\n  tool: {{image: t, build: ., profiles: [tools]}}\n",
            "Dockerfile": "",
        }
    )
    assert f"TT1090 compose.yaml:2:{column}" in errors(result) or any("TT1090" in error for error in errors(result))
    message = next(d.message for d in result.diagnostics if d.code == "TT1090")
    assert "whose profiles are not enabled: tools" in message


# --- files, paths, places


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("build: ../..", "TT1022"),
        ("build: link", "TT1022"),
        ("build: {context: ., dockerfile: ../../x}", "TT1022"),
        ("build: {context: ., additional_contexts: {m: ../../x}}", "TT1022"),
        ("volumes: ['../../x:/x']", "TT1022"),
        ("volumes: ['./link:/x']", "TT1022"),
        ("volumes: ['./dangling-inside:/x']", "TT1020"),
        ("volumes: ['~/x:/x']", "TT1022"),
        ("volumes: [{type: bind, source: ./none, target: /x}]", "TT1020"),
        ("env_file: link/passwd", "TT1022"),
        ("label_file: ../../x", "TT1022"),
        ("build: /abs", "TT1022"),
        ("build: none", "TT1020"),
        ("build: {context: ., dockerfile: none}", "TT1020"),
        ("build: compose.yaml", "TT1021"),
        ("volumes: ['./module:/x']", "TT1021"),
    ],
)
def test_paths_stay_in_the_repository_and_files_must_be_there(text: str, code: str) -> None:
    files: dict[str, Content] = {
        "app/compose.yaml": f"services:\n  a:\n    image: i\n    {text}\n",
        "app/link": Link("/etc"),
        "app/dangling-inside": Link("nowhere"),
        "app/module": Submodule(),
        "app/Dockerfile": "",
    }
    result = load(files, "app/compose.yaml")
    assert [error.split(":")[0] for error in errors(result)] == [f"{code} app/compose.yaml"]
    assert result.diagnostics[0].origin.line == 4


def test_configs_and_secrets_are_files_of_the_repository_or_of_the_host() -> None:
    text = """services: {a: {image: i, configs: [c, h, d], secrets: [s]}}
configs: {c: {file: ./c.txt}, h: {file: /etc/h}, d: {file: sub}}
secrets: {s: {file: none.txt}}
"""
    result = load({"compose.yaml": text, "c.txt": "", "sub/x": ""})
    assert errors(result) == ["TT1021 compose.yaml:2:60", "TT1020 compose.yaml:3:21"]


def test_links_inside_the_repository_are_followed() -> None:
    found = project(
        {
            "compose.yaml": "services: {a: {image: i, env_file: here/e.env, volumes: ['./here:/x']}}",
            "here": Link("there"),
            "there/e.env": "A=1",
        }
    )
    assert found.services["a"]["environment"] == {"A": "1"}
    assert get(found.services["a"], "volumes", 0, "source") == "./here"


def test_files_that_are_elsewhere_need_not_be_there_when_only_printing() -> None:
    assert load({"compose.yaml": "services: {a: {build: none}}"}, check_files=False).project is not None


def test_a_volume_cannot_bind_a_directory_of_the_repository() -> None:
    options = "{o: bind, type: none, device: ./d}"
    volume = f"{{driver: local, driver_opts: {options}}}"
    text = f"services: {{a: {{image: i, volumes: ['vol:/v']}}}}\nvolumes: {{vol: {volume}}}"
    result = load({"compose.yaml": text, "d/x": ""})
    assert errors(result) == ["TT1022 compose.yaml:2:75"]


def test_the_project_directory_can_be_another_one() -> None:
    files: dict[str, Content] = {
        "deploy/compose.yaml": "services: {a: {image: 'i$V', build: web}}",
        "web/Dockerfile": "",
        ".env": "V=root",
        "deploy/.env": "V=deploy",
        "deploy/web/Dockerfile": "",
    }
    at_root = project(files, "deploy/compose.yaml", project_dir="")
    assert (at_root.services["a"]["image"], get(at_root.services["a"], "build", "context")) == ("iroot", "./web")
    beside = project(files, "deploy/compose.yaml")
    assert (beside.services["a"]["image"], get(beside.services["a"], "build", "context")) == (
        "ideploy",
        "./deploy/web",
    )


def test_inline_services_stand_on_top() -> None:
    documents, _ = parse(b"services: {a: {image: 'new$V'}, b: {image: i}}", "app.yaml")
    inline = documents[0]
    assert isinstance(inline, MappingNode)
    found = project({"compose.yaml": "services: {a: {image: old, tty: true}}", ".env": "V=1"}, inline=inline)
    assert found.services["a"]["image"] == "new1"
    assert found.services["a"]["tty"] is True
    assert str(found.origin("services", "b")) == "app.yaml:1:33"
    alone = load_compose(MemoryTree({}), [], project_name="app", inline=inline, project_dir="")
    assert alone.project is not None


def test_names_and_places() -> None:
    found = project(
        {
            "compose.yaml": """name: other
version: "3"
services:
  a:
    image: i
    networks: [default, n, e]
    x-note: 1
networks:
  n: {}
  e: {external: true}
x-top: {k: [1]}
"""
        }
    )
    assert found.name == "app"
    assert [found.networks[key]["name"] for key in ("default", "n", "e")] == ["app_default", "app_n", "e"]
    assert found.extensions == {"x-top": {"k": [1]}}
    assert str(found.origin("services", "a", "image")) == "compose.yaml:5:5"
    assert str(found.origin("services", "a", "networks", "n")).startswith("compose.yaml:6")
    assert str(found.origin("services", "a", "nothing", 3)) == "compose.yaml:4:3"


def test_a_name_of_its_own_and_an_old_version_are_noted() -> None:
    result = load({"compose.yaml": "name: other\nversion: '3'\nservices: {a: {image: i}}"})
    assert notes(result) == ["info TT1091 compose.yaml:1:7", "warning TT1092 compose.yaml:2:1"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, ["TT1020 compose.yaml"]),
        ({"compose.yaml": ""}, ["TT1024 compose.yaml"]),
        ({"compose.yaml": "- a"}, ["TT1025 compose.yaml:1:1"]),
        ({"compose.yaml": "text"}, ["TT1025 compose.yaml:1:1"]),
        ({"compose.yaml": "a: ["}, ["TT1003 compose.yaml:2:1"]),
        ({"compose.yaml": b"\xff"}, ["TT1002 compose.yaml:1:1"]),
        ({"compose.yaml": Link("/etc/passwd")}, ["TT1022 compose.yaml"]),
        (
            {"compose.yaml": "services: {a: {image: i}}", ".env": Link("/proc/self/environ")},
            ["TT1022 .env"],
        ),
        ({"compose.yaml": Submodule()}, ["TT1021 compose.yaml"]),
    ],
)
def test_a_file_that_cannot_be_used(files: dict[str, Content], expected: list[str]) -> None:
    assert errors(load(files)) == expected


def test_nothing_to_load_is_an_error() -> None:
    assert errors(load_compose(MemoryTree({}), [], project_name="app")) == ["TT1094 "]


def test_no_enabled_service_is_a_warning() -> None:
    result = load({"compose.yaml": "services: {a: {image: i, profiles: [p]}}"})
    assert result.project is not None
    assert notes(result) == ["warning TT1094 compose.yaml:1:1"]


def test_problems_of_all_stages_come_together_in_order() -> None:
    result = load(
        {
            "compose.yaml": """services:
  a:
    image: ${X:?}
    env_file: none.env
    helthcheck: {}
  b: {image: i, depends_on: [nobody], extends: nothing}
""",
            "override.yaml": "services: {a: {deploy: 3}}\nfoo: 1\n",
        },
        "compose.yaml",
        "override.yaml",
    )
    found = errors(result)
    assert found == sorted(found, key=lambda error: (error.split()[1].split(":")[0], *map(int, error.split(":")[1:])))
    assert {"TT1041 compose.yaml:3:12", "TT1020 compose.yaml:4:15", "TT1070 compose.yaml:6:48"} <= set(found)
    assert len(found) >= 6


def test_the_result_does_not_depend_on_the_order_of_keys() -> None:
    one = project({"compose.yaml": "services: {a: {image: i, tty: true}, b: {image: i, extends: a}}"})
    two = project({"compose.yaml": "services: {b: {extends: a, image: i}, a: {tty: true, image: i}}"})
    assert one.services == two.services
    assert list(one.services) == list(two.services)


KEYS = [
    *(
        "services",
        "networks",
        "volumes",
        "configs",
        "secrets",
        "include",
        "extends",
        "file",
        "service",
        "path",
        "a",
        "b",
    ),
    *("env_file", "label_file", "environment", "labels", "profiles", "depends_on", "build", "context", "args", "links"),
    *("ports", "target", "source", "type", "driver", "driver_opts", "ipam", "config", "name", "external", "image"),
    *(
        "network_mode",
        "volumes_from",
        "logging",
        "required",
        "format",
        "project_directory",
        "develop",
        "watch",
        "deploy",
    ),
]
LEAVES = st.sampled_from(
    [None, True, 0, 1.5, "", "a", "b", "x.yaml", "./a", "../a", "a:b", "service:a", "bind", "$V", "${V", "a=b", "80:80"]
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
)
SERVICES = st.dictionaries(st.sampled_from("ab"), st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4) | VALUES)
FILES = st.fixed_dictionaries({"services": SERVICES}, optional=dict.fromkeys(KEYS[1:6], VALUES)) | VALUES


@pytest.mark.slow
@given(FILES, FILES, FILES)
@settings(max_examples=150, deadline=None)
def test_no_shape_of_input_breaks_the_loader(one: object, two: object, other: object) -> None:
    files: dict[str, Content] = {"one.yaml": json.dumps(one), "two.yaml": json.dumps(two), "x.yaml": json.dumps(other)}
    result = load(files, "one.yaml", "two.yaml")
    assert (result.project is None) is any(d.severity is Severity.ERROR for d in result.diagnostics)
    assert all(d.message and d.code for d in result.diagnostics)
    again = load(files, "one.yaml", "two.yaml")
    assert again == result
