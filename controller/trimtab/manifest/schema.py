"""JSON Schema for editors and CRDs for Kubernetes, made from the kinds; the files in crds/ are what this prints."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel

from trimtab.manifest.compose.units import format_duration
from trimtab.manifest.kinds.application import COMPOSE_SECTIONS, ApplicationManifest
from trimtab.manifest.kinds.base import API_GROUP, API_VERSION, DURATION
from trimtab.manifest.kinds.destination import DestinationManifest
from trimtab.manifest.kinds.service import ServiceSettings
from trimtab.manifest.kinds.settings import ComposeFileSettings

_VERSION = API_VERSION.partition("/")[2]
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_KINDS: Mapping[str, type[BaseModel]] = {"Application": ApplicationManifest, "Destination": DestinationManifest}
_PLURALS = {"Application": "applications", "Destination": "destinations"}
# What a singular section of compose is called in the specification's own schema.
_DEFINITIONS = {section: section.removesuffix("s") for section in COMPOSE_SECTIONS}
_ANYTHING: dict[str, Any] = {"x-kubernetes-preserve-unknown-fields": True}
# Keywords that a structural schema has no room for. Source: Kubernetes, "Specifying a structural schema".
# Defaults are left out as well: the API server would write them into every object, and nobody could
# tell any more what a person has set.
_NOT_STRUCTURAL = frozenset({"additionalProperties", "const", "default", "title", "$defs", "$schema"})

Json = dict[str, Any]


@cache
def _compose_specification() -> Json:
    """The Compose Specification's own schema. Source: compose-spec/compose-spec, schema/compose-spec.json."""
    text = files("trimtab.manifest.compose").joinpath("compose-spec.json").read_text(encoding="utf-8")
    loaded: Json = json.loads(text)
    return loaded


def json_schema() -> Json:
    """One self-contained JSON Schema of all our kinds; compose's sections are checked by compose's own definitions.

    ``x-trimtab`` at the top of a compose file is under ``$defs/ComposeFileSettings``, a service's own under
    ``$defs/ServiceSettings``.
    """
    definitions: Json = {
        f"compose.{name}": _rewritten(definition, "#/definitions/", "#/$defs/compose.")
        for name, definition in _compose_specification()["definitions"].items()
    }
    kinds: Mapping[str, type[BaseModel]] = {
        **_KINDS,
        "ComposeFileSettings": ComposeFileSettings,
        "ServiceSettings": ServiceSettings,
    }
    for name, kind in kinds.items():
        schema = kind.model_json_schema(by_alias=True, ref_template="#/$defs/{model}")
        definitions |= schema.pop("$defs", {})
        definitions[name] = schema
    definitions = {n: d if n.startswith("compose.") else _mapped(d, _brief) for n, d in definitions.items()}
    definitions["Job"]["properties"]["service"]["anyOf"] = [{"type": "string"}, {"$ref": "#/$defs/compose.service"}]
    spec = definitions["ApplicationSpec"]["properties"]
    for section, definition in _DEFINITIONS.items():
        spec[section] = {
            "type": "object",
            "additionalProperties": {"$ref": f"#/$defs/compose.{definition}"},
            "description": f"As {section} in the Compose Specification.",
        }
    return {
        "$schema": _DIALECT,
        "title": f"Manifests of {API_VERSION}",
        "oneOf": [{"$ref": f"#/$defs/{kind}"} for kind in _KINDS],
        "$defs": dict(sorted(definitions.items())),
    }


def _brief(node: Json) -> Json:
    """Without titles that repeat the name, and without defaults of whole sections, which their fields tell."""
    shown = {k: v for k, v in node.items() if k != "title" or not isinstance(v, str)}
    if "default" in shown and (shown["default"] is None or isinstance(shown["default"], dict | list)):
        del shown["default"]
    if shown.get("pattern") == DURATION and "default" in shown:
        shown["default"] = format_duration(round(shown["default"] * 1_000_000_000))
    return shown


def _rewritten(value: Any, old: str, new: str) -> Any:
    """``value`` with the beginning of each ``$ref`` replaced."""

    def replace(node: Json) -> Json:
        reference = node.get("$ref")
        return {**node, "$ref": reference.replace(old, new)} if isinstance(reference, str) else node

    return _mapped(value, replace)


def _mapped(value: Any, change: Callable[[Json], Json]) -> Any:
    """``value`` with ``change`` applied to each mapping in it, outermost first."""
    if isinstance(value, dict):
        return {key: _mapped(item, change) for key, item in change(value).items()}
    return [_mapped(item, change) for item in value] if isinstance(value, list) else value


def crd_yaml() -> dict[str, str]:
    """The CustomResourceDefinition of each kind, by the name of its file in crds/."""
    return {
        f"{_PLURALS[kind]}.{API_GROUP}.yaml": "# Made by `trimtab schema --crd`; do not edit.\n"
        + yaml.safe_dump(_crd(kind, model), sort_keys=False, width=120, allow_unicode=True)
        for kind, model in sorted(_KINDS.items())
    }


def _crd(kind: str, model: type[BaseModel]) -> Json:
    plural = _PLURALS[kind]
    short = {"Application": ["ttapp"], "Destination": ["ttdest"]}[kind]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{API_GROUP}"},
        "spec": {
            "group": API_GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": short,
                "categories": ["trimtab"],
            },
            "versions": [
                {
                    "name": _VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": _columns(kind),
                    "schema": {"openAPIV3Schema": _structural(model)},
                }
            ],
        },
    }


def _columns(kind: str) -> list[Json]:
    paths = {
        "Application": {
            "Sync": ".status.sync.status",
            "Health": ".status.health.status",
            "Revision": ".status.sync.revision",
        },
        "Destination": {"Host": ".spec.host"},
    }
    columns = [{"name": name, "type": "string", "jsonPath": path} for name, path in paths[kind].items()]
    return [*columns, {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}]


def _structural(model: type[BaseModel]) -> Json:
    """A kind's schema without references and in the subset of JSON Schema that Kubernetes stores.

    Source: Kubernetes documentation, "Extend the Kubernetes API with CustomResourceDefinitions".
    """
    schema = model.model_json_schema(by_alias=True)
    definitions: Json = schema.get("$defs", {})
    root: Json = _plain(schema, definitions)
    properties = root["properties"]
    # Kubernetes itself describes these; the controller's own status is not made from a manifest.
    properties |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
    properties["status"] = {"type": "object", **_ANYTHING}
    spec = properties.get("spec", {}).get("properties", {})
    for section in COMPOSE_SECTIONS:
        if section in spec:
            spec[section] = {"type": "object", "additionalProperties": {"type": "object", **_ANYTHING}}
    root["required"] = [name for name in root.get("required", []) if name == "spec"]
    if not root["required"]:
        del root["required"]
    return root


def _plain(node: Any, definitions: Json) -> Any:
    if isinstance(node, list):
        return [_plain(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = definitions[node["$ref"].rpartition("/")[2]]
        return _plain({**target, **{k: v for k, v in node.items() if k != "$ref"}}, definitions)
    if "anyOf" in node:
        return _alternatives(node, definitions)
    if isinstance(node.get("properties"), dict):
        kept = {k: v for k, v in node.items() if k not in (*_NOT_STRUCTURAL, "properties")}
        properties = {name: _plain(item, definitions) for name, item in node["properties"].items()}
        return {**{k: _plain(v, definitions) for k, v in kept.items()}, "properties": properties}
    values = node.get("additionalProperties")
    kept = {k: _plain(v, definitions) for k, v in node.items() if k not in _NOT_STRUCTURAL}
    if isinstance(values, dict):
        kept["additionalProperties"] = _plain(values, definitions)
    if "const" in node:
        kept["enum"] = [node["const"]]
    if "type" not in kept and "enum" not in kept:
        kept |= _ANYTHING
    return kept


def _alternatives(node: Json, definitions: Json) -> Json:
    """An optional value is nullable; of several shapes Kubernetes keeps whatever comes, the controller checks it."""
    shapes = [shape for shape in node["anyOf"] if shape.get("type") != "null"]
    about = {k: v for k, v in node.items() if k == "description"}
    if len(shapes) == 1:
        plain: Json = {**_plain(shapes[0], definitions), **about}
        return {**plain, "nullable": True} if len(node["anyOf"]) > 1 else plain
    return {**about, **_ANYTHING}
