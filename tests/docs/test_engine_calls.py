"""The three ways in which the page of calls says what is allowed say the same."""

from __future__ import annotations

import pytest

from tests.support.allowed import documented, features, refusals


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


def test_each_call_is_made_always_or_for_a_feature_that_says_so() -> None:
    for_features = frozenset().union(*features().values())
    always = {call for call, when in documented().items() if when == "always"}
    assert for_features == set(documented()) - always
