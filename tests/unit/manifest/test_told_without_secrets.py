"""What is wrong with a manifest is told without the secrets that are in it, and with none of their lines (I7)."""

from __future__ import annotations

import pytest

from tests.support.memory_tree import Content, MemoryTree
from trimtab.cli.validate import excerpt
from trimtab.manifest.load import load
from trimtab.model.diagnostics import Diagnostic, Origin, Severity
from trimtab.model.sensitive import is_sensitive, masked, sensitive_values, shows, telling

CANARY = "canary-1234-xyz"
SERVICE = "services: {a: {image: x, %s}}\n"


def told(files: dict[str, Content]) -> list[str]:
    """As ``trimtab validate`` prints it, lines and all."""
    tree = MemoryTree(files)
    result = load(tree, default_name="app")
    found = {*result.diagnostics, *(d for failed in result.failed for d in failed.diagnostics)}
    return [excerpt(one, tree) for one in sorted(found, key=lambda one: (one.origin, one.code))]


@pytest.mark.parametrize(
    "attributes",
    [
        'ports: ["${DB_PASSWORD}"]', 'volumes: ["${DB_PASSWORD}:"]', 'mem_limit: "${DB_PASSWORD}"',
        'stop_grace_period: "${DB_PASSWORD}"', 'privileged: "${DB_PASSWORD}"', 'depends_on: ["${DB_PASSWORD}"]',
        'networks: ["${DB_PASSWORD}"]', 'build: {context: "${DB_PASSWORD}"}', 'secrets: [{source: "${DB_PASSWORD}"}]',
        'network_mode: "service:${DB_PASSWORD}"', 'env_file: "${DB_PASSWORD}"', 'volumes: ["./${DB_PASSWORD}:/x"]',
        'extra_hosts: ["${DB_PASSWORD}"]', 'ulimits: {nofile: "${DB_PASSWORD}"}', 'extends: "${DB_PASSWORD}"',
        f"environment: {{PASSWORD: [{CANARY}]}}", f"environment: {{PASSWORD: !!int {CANARY}}}",
        f"environment: {{PASSWORD: !foo {CANARY}}}", f"environment: {{PASSWORD: {CANARY}: x}}",
        f"environment: {{PASSWORD: {CANARY}, PASSWORD: x}}", f'environment: {{PASSWORD: "${{{CANARY}!"}}',
        'environment: {PASSWORD: "pa$canary1234"}', 'environment: ["PASSWORD=pa$canary1234"]',
        'environment: {PASSWORD: "pa${canary-1234!"}',
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_without_the_secret(attributes: str) -> None:
    said = told({"compose.yaml": SERVICE % attributes, ".env": f"DB_PASSWORD={CANARY}\n"})
    assert said
    assert not [text for text in said if "canary" in text]


@pytest.mark.parametrize(
    "line",
    [
        f"PASSWORD {CANARY}", f'PASSWORD="{CANARY}', f"PASSWORD='{CANARY}", f"PASSWORD=${{{CANARY}", f"={CANARY}",
        "PASSWORD=pa$canary1234", f'PASSWORD="x" {CANARY}', f"PASS WORD={CANARY}",
    ],
)  # fmt: skip
def test_no_line_of_an_env_file_is_quoted(line: str) -> None:
    said = told({"compose.yaml": SERVICE % "env_file: e", "e": f"{line}\n", ".env": f"{line}\n"})
    assert said
    assert not [text for text in said if "canary" in text]


def test_the_secret_of_a_secret_is_not_quoted_and_other_lines_are() -> None:
    text = f"services: {{a: {{image: x, secrets: [s], prts: []}}}}\nsecrets: {{s: {{content: [{CANARY}]}}}}\n"
    said = told({"compose.yaml": text})
    assert not [one for one in said if CANARY in one]
    assert [one for one in said if "    1 | services: {a: {image: x, secrets: [s]" in one]


def test_a_variable_that_is_not_set_is_named_where_it_is_meant_as_one() -> None:
    for value in ("${DB_PASSWORD}", "$DB_PASSWORD", "postgres://u:${DB_PASSWORD}@db/x"):
        (said,) = told({"compose.yaml": SERVICE % f'environment: {{PASSWORD: "{value}"}}'})
        assert "the variable DB_PASSWORD is not set" in said


def test_what_counts_as_a_secret_of_the_variables() -> None:
    variables = {
        "API_TOKEN": "abcdef",
        "AUTH_ENABLED": "true",
        "TOKEN_TTL": "3600",
        "MODE": "abcdefg",
        "PIN_PASSWORD": "x",
    }
    assert sensitive_values({**variables, "URL": "https://u:longpassword@h"}) == ("https://u:longpassword@h", "abcdef")
    assert telling(["  padded-value \n", ""]) == ("padded-value",)
    assert masked("a abcdef b", ("abcdef",)) == "a *** b"
    assert shows({"a": ["x", {"b": "--pass=abcdef"}]}, ("abcdef",))
    assert not shows({"a": [1, None, True]}, ("abcdef",))
    assert is_sensitive("X", "-----BEGIN PRIVATE KEY-----")


def test_a_place_outside_of_any_file_has_no_line() -> None:
    problem = Diagnostic(severity=Severity.ERROR, code="TT1", message="m", origin=Origin("gone.yaml", 3), hint="h")
    assert excerpt(problem, MemoryTree({})) == "gone.yaml:3: error TT1: m\n      h"
