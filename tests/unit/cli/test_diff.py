"""What `trimtab diff` says becomes of an object of which not single fields differ."""

from __future__ import annotations

import pytest

from tests.support.rig import SHOP
from trimtab.cli.diff import lines
from trimtab.model.change import Change, Reason, Verb
from trimtab.model.keys import Kind, ResourceKey


@pytest.mark.parametrize(
    ("verb", "reason", "said"),
    [
        (Verb.CREATE, Reason.NEW, "will be created"),
        (Verb.DELETE, Reason.NOT_IN_GIT, "will be removed"),
        (Verb.CREATE, Reason.MISSING, "will be repaired"),
        (Verb.RUN, Reason.HOOK_DUE, "will be run"),
    ],
)
def test_the_words_are_those_of_what_will_happen(verb: Verb, reason: Reason, said: str) -> None:
    change = Change(verb=verb, key=ResourceKey(SHOP, Kind.CONTAINER, "web", 1), name="shop-web-1", reason=reason)
    (line,) = lines(SHOP, (change,))
    assert line.endswith(f"-> {said}")
