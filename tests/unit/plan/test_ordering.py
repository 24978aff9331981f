"""Phases and waves as edges: what is earlier is over first, and order never closes a circle."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trimtab.plan.ordering import Part, Stage, ancestors, edges

STAGES = st.builds(Stage, st.sampled_from(Part), st.integers(-1, 1))


@st.composite
def graphs(draw: st.DrawFn) -> tuple[dict[int, Stage], dict[int, set[int]]]:
    """A graph without circles; some of its nodes have a stage."""
    size = draw(st.integers(1, 10))
    needs = {node: set(draw(st.sets(st.integers(1, node - 1)))) if node > 1 else set() for node in range(1, size + 1)}
    stages = draw(st.dictionaries(st.integers(1, size), STAGES))
    return stages, needs


@given(graphs())
def test_earlier_stages_are_over_first_and_there_is_no_circle(
    made: tuple[dict[int, Stage], dict[int, set[int]]],
) -> None:
    stages, needs = made
    added = edges(stages, needs)
    whole = {node: {*before, *added.get(node, ())} for node, before in needs.items()}
    for node, before in whole.items():
        assert node not in ancestors(before, whole), "a circle"
    for earlier, first in stages.items():
        for later, second in stages.items():
            before = earlier in ancestors((later,), whole)
            # What something earlier leans on goes with the earlier.
            leans = any(later in ancestors((node,), whole) for node, stage in stages.items() if stage <= first)
            assert before or leans or not first < second


def test_what_is_removed_goes_downwards() -> None:
    assert Stage.removal(2) < Stage.removal(1) < Stage.removal(-1)
    assert Stage(Part.BEFORE, 9) < Stage(Part.MAIN, -9) < Stage.removal(9) < Stage(Part.AFTER, -9)
