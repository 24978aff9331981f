from __future__ import annotations

from trimtab.manifest.compose.config_text import config_document
from trimtab.manifest.compose.shapes import Style
from trimtab.model.application import ComposeProject

Section = dict[str, dict[str, object]]


def _document(**sections: Section) -> dict[str, object]:
    project = ComposeProject(
        name="app",
        services=sections.get("services", {}),
        networks=sections.get("networks", {}),
        configs=sections.get("configs", {}),
        secrets=sections.get("secrets", {}),
    )
    return config_document(project, working_dir="/repo")


def _service(**attributes: object) -> object:
    services = _document(services={"web": attributes})["services"]
    assert isinstance(services, dict)
    return services["web"]


def test_an_empty_project() -> None:
    assert _document() == {"name": "app", "services": {}}


def test_a_missing_command_is_null() -> None:
    assert _service() == {"command": None, "entrypoint": None}
    assert _service(command=[], entrypoint=["a"]) == {"command": [], "entrypoint": ["a"]}


def test_repository_paths_become_absolute() -> None:
    printed = _service(
        build={"context": "./web", "additional_contexts": {"a": "./a", "b": "service:x"}},
        volumes=[{"type": "bind", "source": "./data"}, {"type": "bind", "source": "/host"}],
    )
    assert printed == {
        "command": None,
        "entrypoint": None,
        "build": {"context": "/repo/web", "additional_contexts": {"a": "/repo/a", "b": "service:x"}},
        "volumes": [{"type": "bind", "source": "/repo/data"}, {"type": "bind", "source": "/host"}],
    }
    assert _document(configs={"c": {"file": "./c.conf"}}, secrets={"s": {"file": "."}}) == {
        "name": "app",
        "services": {},
        "configs": {"c": {"file": "/repo/c.conf"}},
        "secrets": {"s": {"file": "/repo"}},
    }


def test_dollar_signs_are_doubled() -> None:
    printed = _service(environment={"A$": "$HOME", "B": None}, labels={"n": "1"})
    assert printed == {
        "command": None,
        "entrypoint": None,
        "environment": {"A$$": "$$HOME", "B": None},
        "labels": {"n": "1"},
    }


def test_extensions_are_printed_at_the_top_only() -> None:
    project = ComposeProject(
        name="app",
        services={"web": {"x-a": 1, "labels": {"x-b": "kept"}}},
        networks={"n": {"x-c": 1}},
        extensions={"x-top": {"x-in": "$"}},
    )
    assert config_document(project, working_dir="/repo") == {
        "name": "app",
        "services": {"web": {"command": None, "entrypoint": None, "labels": {"x-b": "kept"}}},
        "networks": {"n": {"ipam": {}}},
        "x-top": {"x-in": "$$"},
    }


def test_what_compose_forgets_is_not_printed() -> None:
    assert _service(pull_refresh_after="1d") == {"command": None, "entrypoint": None}
    assert _document(networks={"n": {"ipam": {"options": {"a": "b"}}}})["networks"] == {"n": {"ipam": {}}}


def test_limits_as_compose_prints_them() -> None:
    printed = _service(
        ulimits={"core": 0, "nofile": {"soft": 0, "hard": 5}, "nproc": 7},
        blkio_config={"weight_device": [{"path": "/dev/a"}], "device_read_bps": [{"rate": "5"}]},
    )
    assert printed == {
        "command": None,
        "entrypoint": None,
        "ulimits": {"core": {}, "nofile": {"hard": 5}, "nproc": 7},
        "blkio_config": {
            "weight_device": [{"Path": "/dev/a", "Weight": 0}],
            "device_read_bps": [{"Path": "", "Rate": "5"}],
        },
    }


def test_yaml_shows_less_of_what_is_missing_and_all_extensions() -> None:
    project = ComposeProject(
        name="app",
        services={"web": {"x-a": 1, "ulimits": {"core": 0, "a": {"soft": 5}, "b": 6}, "deploy": {"resources": {}}}},
        networks={"n": {"ipam": {}, "x-c": 1}},
    )
    assert config_document(project, working_dir="/repo", style=Style.YAML) == {
        "name": "app",
        "services": {
            "web": {
                "x-a": 1,
                "ulimits": {"core": {"soft": 0, "hard": 0}, "a": {"soft": 5, "hard": 0}, "b": 6},
                "deploy": {},
            }
        },
        "networks": {"n": {"x-c": 1}},
    }


def test_values_of_another_shape_are_printed_as_they_are() -> None:
    assert _service(ports="text", volumes="text", build=".", ulimits="x", environment=[1]) == {
        "command": None,
        "entrypoint": None,
        "ports": "text",
        "volumes": "text",
        "build": ".",
        "ulimits": "x",
        "environment": [1],
    }
