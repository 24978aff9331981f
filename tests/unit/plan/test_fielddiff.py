"""differences() skips what is equal as a whole; what it finds is what comparing every leaf finds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.plan.fielddiff import ABSENT, differences, leaves

NAMES = st.sampled_from(["a", "b", "a-b", "a/b", "a~b", "c"])
NUMBERS = st.lists(st.integers(0, 2), max_size=2)
LEAVES = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a"]) | NUMBERS | NUMBERS.map(tuple)
TREES = st.recursive(LEAVES, lambda inner: st.dictionaries(NAMES, inner, max_size=4), max_leaves=12)
SPECS = st.dictionaries(NAMES, TREES, max_size=4)
WHOLE = st.sets(st.sampled_from(["/a", "/b", "/a/b", "/a~1b"]), max_size=2)


def leaf_by_leaf(want: object, have: object, whole: set[str]) -> list[tuple[str, Any, Any]]:
    def same(one: object, other: object) -> bool:
        if isinstance(one, list | tuple) and isinstance(other, list | tuple):
            return list(one) == list(other)
        return one == other

    wanted, found = dict(leaves(want, whole)), dict(leaves(have, whole))
    pairs = [(p, wanted.get(p, ABSENT), found.get(p, ABSENT)) for p in sorted({*wanted, *found})]
    return [(pointer, one, other) for pointer, one, other in pairs if not same(one, other)]


@pytest.mark.slow
@given(want=SPECS, have=SPECS, whole=WHOLE)
def test_differences_are_those_of_the_leaves(want: object, have: object, whole: set[str]) -> None:
    assert list(differences(want, have, whole)) == leaf_by_leaf(want, have, whole)


@given(spec=SPECS)
def test_a_tree_does_not_differ_from_itself(spec: object) -> None:
    assert differences(spec, spec) == ()


def test_a_leaf_in_the_place_of_a_mapping_is_told_as_both() -> None:
    assert differences({"a": 1}, {"a": {"b": 2}}) == (("/a", 1, ABSENT), ("/a/b", ABSENT, 2))
