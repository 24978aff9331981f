from __future__ import annotations

import pytest

from tests.support.compose_text import service


def test_environment() -> None:
    mapping = {"A": "1", "B": "", "C": None, "D": "true", "E": "1.5"}
    assert service("environment: {A: 1, B: '', C: null, D: true, E: 1.5}")[0]["environment"] == mapping
    assert service("environment: [A=1, B=, C, D=true, E=1.5]")[0]["environment"] == mapping


def test_labels_have_no_null() -> None:
    assert service("labels: {a: null, b: 1}")[0]["labels"] == {"a": "", "b": "1"}
    assert service("labels: [a, 'b=1=2']")[0]["labels"] == {"a": "", "b": "1=2"}


def test_options_have_no_list_form() -> None:
    assert service("storage_opt: [a=1]")[0]["storage_opt"] == ["a=1"]
    assert service("storage_opt: {a: 1, b: null}")[0]["storage_opt"] == {"a": "1", "b": ""}
    assert service("storage_opt: {a: [1], b: true}")[1] == ["TT1201", "TT1201"]


def test_options_are_not_null_where_the_schema_says_so() -> None:
    endpoint = service("networks: {n: {driver_opts: {a: null, b: true, c: 1}}}")[0]["networks"]
    assert endpoint == {"n": {"driver_opts": {"a": None, "b": True, "c": "1"}}}
    logging = service("logging: {options: {a: null, b: true, c: 1}}")[0]["logging"]
    assert logging == {"options": {"a": "", "b": True, "c": "1"}}


def test_a_name_that_ends_with_a_space_is_told() -> None:
    assert service("environment: ['A =1']")[1] == ["TT1219"]
    assert service("labels: ['A =1']") == ({"labels": {"A ": "1"}}, [])


def test_additional_contexts_need_a_value() -> None:
    assert service("build: {additional_contexts: [a, b=c]}")[1] == ["TT1219"]
    assert service("build: {additional_contexts: {a: null}}")[1] == ["TT1219"]


@pytest.mark.parametrize("wrong", ["environment: text", "environment: [1]", "environment: [[a]]", "labels: null"])
def test_other_shapes_are_left_to_the_schema(wrong: str) -> None:
    assert service(wrong)[1] == []


def test_a_nested_value_is_left_to_the_schema() -> None:
    assert service("environment: {A: [1]}")[0]["environment"] == {"A": [1]}


def test_extra_hosts() -> None:
    expected = ["a=1.1.1.1", "b=::1", "b=fe80::1"]
    assert service("extra_hosts: {b: ['::1', '[fe80::1]'], a: 1.1.1.1}")[0]["extra_hosts"] == expected
    assert service("extra_hosts: ['b=::1,fe80::1', 'a:1.1.1.1']")[0]["extra_hosts"] == expected
    assert service("extra_hosts: ['b:[::1]']")[0]["extra_hosts"] == ["b=::1"]


@pytest.mark.parametrize("wrong", ["['a']", "['=1.1.1.1']", "{'a:b': 1.1.1.1}", "{'': 1.1.1.1}"])
def test_bad_hosts(wrong: str) -> None:
    assert service(f"extra_hosts: {wrong}")[1] == ["TT1218"]


@pytest.mark.parametrize("other", ["text", "[1]", "null", "{a: 1}", "{a: [1.1.1.1, null]}"])
def test_hosts_of_another_shape(other: str) -> None:
    assert service(f"extra_hosts: {other}")[1] == []


def test_ssh() -> None:
    assert service("build: {ssh: [default, k=/p]}")[0]["build"]["ssh"] == ["default", "k=/p"]  # type: ignore[index]
    assert service("build: {ssh: {k: /p, default: null}}")[0]["build"]["ssh"] == ["default", "k=/p"]  # type: ignore[index]
    assert service("build: {ssh: [other]}")[1] == ["TT1219"]
    assert service("build: {ssh: text}")[0]["build"]["ssh"] == "text"  # type: ignore[index]


def test_options_of_a_provider_are_lists() -> None:
    attributes, _ = service("provider: {type: t, options: {a: 1, b: [x, true], c: {d: 1}}}")
    assert attributes["provider"] == {"type": "t", "options": {"a": ["1"], "b": ["x", "true"], "c": {"d": 1}}}
    attributes, _ = service("provider: {type: t, options: {a: [], b: [null], c: null}}")
    assert attributes["provider"] == {"type": "t", "options": {"b": [None], "c": None}}
    assert service("provider: {type: t, options: text}")[0]["provider"] == {"type": "t", "options": "text"}
