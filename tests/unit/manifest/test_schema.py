"""What editors and Kubernetes are told is what the kinds say, and crds/ is what the code makes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from trimtab.manifest.codes import Code
from trimtab.manifest.schema import crd_yaml, json_schema

CRDS = Path(__file__).parents[3] / "crds"


def test_crds_are_what_the_code_makes() -> None:
    made = crd_yaml()
    written = {path.name: path.read_text(encoding="utf-8") for path in CRDS.glob("*.yaml")}
    assert written == made, "crds/ has drifted: run `trimtab schema --crd` and write its files there"


def walk(schema: Any) -> list[dict[str, Any]]:
    """Every schema in a structural schema."""
    found = [schema]
    for inner in (*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")):
        if isinstance(inner, dict):
            found += walk(inner)
    return found


@pytest.mark.parametrize("name", sorted(crd_yaml()))
def test_crds_are_structural(name: str) -> None:
    """Source: Kubernetes documentation, "Specifying a structural schema"."""
    crd = yaml.safe_load(crd_yaml()[name])
    assert crd["metadata"]["name"] == f"{crd['spec']['names']['plural']}.{crd['spec']['group']}"
    (version,) = crd["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    for part in walk(schema):
        assert "type" in part or part.get("x-kubernetes-preserve-unknown-fields")
        assert not {"$ref", "$defs", "anyOf", "oneOf", "default", "title", "const"} & part.keys()
        assert not ("properties" in part and "additionalProperties" in part)
    assert schema["properties"]["spec"]["type"] == "object"
    assert version["subresources"] == {"status": {}}


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(item) for item in value.values()), set())
    return set().union(*(references(item) for item in value), set()) if isinstance(value, list) else set()


def test_the_json_schema_is_whole_and_uses_composes_own_definitions() -> None:
    schema = json_schema()
    assert json.loads(json.dumps(schema)) == schema
    for reference in references(schema):
        assert reference.startswith("#/$defs/")
        assert reference.removeprefix("#/$defs/") in schema["$defs"], reference
    spec = schema["$defs"]["ApplicationSpec"]["properties"]
    assert spec["services"]["additionalProperties"] == {"$ref": "#/$defs/compose.service"}
    assert "healthcheck" in schema["$defs"]["compose.service"]["properties"]
    assert spec["timeout"]["default"] == "10m0s"
    assert schema["$defs"]["ComposeFileSettings"]["properties"].keys() < spec.keys()
    assert set(spec) == {
        *("project", "source", "destination", "syncPolicy", "dependsOn", "ignoreDifferences", "timeout", "suspend"),
        *("compose", "services", "networks", "volumes", "configs", "secrets", "patches", "moved", "wave", "jobs"),
    }


def test_the_schema_accepts_and_refuses_what_the_kinds_do() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json_schema())
    head = {"apiVersion": "trimtab.dev/v1alpha1", "kind": "Application", "metadata": {"name": "shop"}}
    good = {**head, "spec": {"timeout": "10m", "suspend": False, "services": {"a": {"image": "x"}}}}
    assert list(validator.iter_errors(good)) == []
    for spec in ({"timout": "1m"}, {"timeout": 5}, {"suspend": "x"}, {"services": {"a": {"imag": "x"}}}):
        assert list(validator.iter_errors({**head, "spec": spec}))


def test_every_code_is_in_its_range_and_says_what_it_means() -> None:
    assert len({code.value for code in Code}) == len(list(Code))
    assert all(code.meaning for code in Code)
