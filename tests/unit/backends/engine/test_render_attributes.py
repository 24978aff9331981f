"""Nothing of a service is silently ignored: every attribute of the schema changes what is rendered, or is told of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files

import pytest

from tests.support.compose_table import SERVICE
from tests.support.rig import SHOP, Rig, shop
from trimtab.model.desired import DesiredState, Resource
from trimtab.model.diagnostics import Severity
from trimtab.model.keys import Kind, ResourceKey
from trimtab.plan.fielddiff import unescape

WEB = ResourceKey(SHOP, Kind.CONTAINER, "web", 1)
CODES = {"refused": Severity.ERROR, "noted": Severity.INFO}


def rendered(name: str, value: object) -> DesiredState:
    image = {} if name == "build" else {"image": "app:0"}
    services = {"web": {**image, **({} if value is None else {name: value})}, "other": {"image": "app:0"}}
    return Rig().desired(shop(services, **(SERVICE[name].sections or {})))


def at(resource: Resource, pointer: str) -> object:
    value: object = resource.spec
    for token in pointer.strip("/").split("/"):
        assert isinstance(value, Mapping), pointer
        assert unescape(token) in value, f"{pointer} is not in {resource.spec}"
        value = value[unescape(token)]
    return value


def facts(state: DesiredState) -> str:
    return repr([(r.key, r.name, r.spec, r.needs, r.traits) for r in state.resources.values()])


def test_the_table_has_every_attribute_of_the_schema() -> None:
    schema = json.loads(files("trimtab.manifest.compose").joinpath("compose-spec.json").read_text(encoding="utf-8"))
    assert set(SERVICE) == set(schema["definitions"]["service"]["properties"])


@pytest.mark.parametrize("name", sorted(SERVICE))
def test_an_attribute_is_honoured_refused_or_noted(name: str) -> None:
    attribute = SERVICE[name]
    if attribute.word == "read":
        return
    state, without = rendered(name, attribute.value), rendered(name, None)
    web = state.resources[WEB]
    for pointer in attribute.spec:
        assert at(web, pointer) not in (None, "", [], {})
        assert web.origin(pointer) is not None
    if attribute.trait:
        assert web.traits[attribute.trait] == attribute.value or len(web.traits[attribute.trait]) == 1  # type: ignore[arg-type]
    if attribute.word in CODES:
        assert [(d.code, d.severity) for d in state.diagnostics] == [(attribute.code, CODES[attribute.word])]
        assert name in state.diagnostics[0].message
    else:
        assert state.diagnostics == ()
        assert facts(state) != facts(without), "it makes no difference"
