"""The three ways in which the page of calls says what is allowed say the same."""

from __future__ import annotations

import pytest

from tests.support.allowed import documented, refusals


@pytest.mark.parametrize("call", sorted(documented()))
def test_each_call_of_the_table_passes_the_patterns_and_the_sections(call: str) -> None:
    method, _, path = call.partition(" ")
    name = "registry:5000/a/b:1" if path.startswith("/images/") else "some-name_1"
    for version in ("", "/v1.41"):
        assert refusals(f"{method} {version}{path.replace('{}', name)}?all=1") == []


@pytest.mark.parametrize(
    "request_",
    ["POST /v1.41/containers/x/pause", "POST /v1.41/swarm/init", "GET /v1.41/secrets", "POST /v1.41/volumes/prune",
     "GET /v1.41/containers/x/export", "DELETE /v1.41/plugins/x", "POST /v1.41/containers/x/attach"],
)  # fmt: skip
def test_others_are_refused_by_the_table_and_the_patterns(request_: str) -> None:
    assert {"the table", "the patterns"} <= set(refusals(request_))
