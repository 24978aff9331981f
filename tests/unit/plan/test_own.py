"""What a controller in a container does not do to itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from trimtab.model.change import Change, Disruption, FieldChange, Order, Reason, Verb
from trimtab.model.desired import Resource
from trimtab.model.keys import AppKey, Kind, ResourceKey
from trimtab.model.observed import Live, ObservedState, Own
from trimtab.plan.own import being_handed_over, hands_over, spare

APP = AppKey("default", "trimtab")
OWN = Own(handle="me", name="trimtab-controller-1", networks=("trimtab_default",), volumes=("trimtab_state",))


def observed(own: Own | None = OWN) -> ObservedState:
    return ObservedState(target="local", taken_at=datetime(2026, 1, 1, tzinfo=UTC), live={}, digest="", own=own)


def live(handle: str, kind: Kind = Kind.CONTAINER, name: str = "") -> Live:
    return Live(key=ResourceKey(APP, kind, "controller", 1), handle=handle, name=name or f"{handle}-name", digest="d")


def change(verb: Verb, before: Live, **more: object) -> Change:
    key = before.key
    want = Resource(key=key, name="trimtab-controller-1", spec={}, digest="n")
    made = Change(verb=verb, key=key, name=want.name, reason=Reason.SPEC_CHANGED, before=before, after=want)
    return replace(made, **more)  # type: ignore[arg-type]  # fields of a Change


def spared(one: Change, own: Own | None = OWN) -> Change | None:
    found = spare([one], observed(own))
    return found[0] if found else None


@pytest.mark.parametrize("verb", [Verb.REPLACE, Verb.DELETE, Verb.UPDATE])
def test_nothing_is_different_for_others_and_outside_of_containers(verb: Verb) -> None:
    assert spared(change(verb, live("other"))) == change(verb, live("other"))
    assert spared(change(verb, live("me")), None) == change(verb, live("me"))
    assert not hands_over(change(Verb.REPLACE, live("me")), observed(None))


def test_its_replacement_is_handed_over() -> None:
    found = spared(change(Verb.REPLACE, live("me"), order=Order.START_FIRST))
    assert found is not None
    assert (found.verb, found.order) == (Verb.REPLACE, Order.STOP_FIRST)
    assert "helper" in found.order_reason
    assert hands_over(found, observed())


def test_its_networks_change_with_it_and_not_under_it() -> None:
    field = FieldChange(path="/Networks/front/Aliases", attribute="networks", before=1, after=2, in_place=True)
    found = spared(change(Verb.UPDATE, live("me"), fields=(field,)))
    assert found is not None
    assert hands_over(found, observed())
    limit = FieldChange(path="/HostConfig/Memory", attribute="mem_limit", before=1, after=2, in_place=True)
    in_place = change(Verb.UPDATE, live("me"), fields=(limit,))
    assert spared(in_place) == in_place


@pytest.mark.parametrize(
    ("one", "word"),
    [
        (change(Verb.DELETE, live("me"), loses_data=True, disruption=Disruption.REPLACE), "remove it by hand"),
        (change(Verb.UPDATE, live("me"), reason=Reason.DEPENDENCY_REPLACED), "does not restart itself"),
        (change(Verb.REPLACE, live("n", Kind.NETWORK, "trimtab_default")), "attached to it"),
        (change(Verb.DELETE, live("n", Kind.NETWORK, "trimtab_default")), "attached to it"),
        (change(Verb.DELETE, live("v", Kind.VOLUME), name="trimtab_state"), "its data in it"),
    ],
)
def test_what_it_lives_on_is_kept(one: Change, word: str) -> None:
    found = spared(one)
    assert found is not None
    assert (found.verb, found.reason, found.loses_data) == (Verb.KEEP, Reason.PROTECTED, False)
    assert word in found.detail


def test_it_is_never_one_too_many() -> None:
    found = spared(change(Verb.UPDATE, live("a"), reason=Reason.DUPLICATE, extras=(live("me"),)))
    assert found is not None
    assert (found.verb, found.extras) == (Verb.KEEP, ())
    found = spared(change(Verb.UPDATE, live("a"), reason=Reason.DUPLICATE, extras=(live("me"), live("b"))))
    assert found is not None
    assert found.extras == (live("b"),)


def test_the_new_one_leaves_the_rest_to_the_helper_or_finishes_without_one() -> None:
    one = change(Verb.REPLACE, live("old"), staged=live("me"))
    found = spared(one, replace(OWN, helped=True))
    assert found is not None
    assert (found.verb, found.reason) == (Verb.KEEP, Reason.UNFINISHED)
    found = spared(one)
    assert found is not None
    assert (found.verb, found.before, found.extras) == (Verb.UPDATE, live("me"), (live("old"),))
    assert [field.path for field in found.fields] == ["/Name"]


def test_a_pass_waits_while_a_helper_is_about_to_finish_the_hand_over_and_for_no_other() -> None:
    """Only of the application that the controller itself belongs to."""
    mine, other = live("me"), live("other")
    helped = observed(replace(OWN, helped=True))
    assert being_handed_over(replace(helped, live={mine.key: (other, mine)}))
    assert not being_handed_over(replace(helped, live={mine.key: (other,)}))
    assert not being_handed_over(replace(observed(), live={mine.key: (mine,)}))
    assert not being_handed_over(replace(observed(None), live={mine.key: (mine,)}))


def test_a_network_of_an_older_name_goes_unless_the_controller_is_attached_to_it() -> None:
    here, gone = live("h", Kind.NETWORK, "trimtab_default"), live("g", Kind.NETWORK, "trimtab_old")
    found = spared(change(Verb.UPDATE, live("n", Kind.NETWORK, "trimtab_new"), extras=(here, gone)))
    assert found is not None
    assert found.extras == (gone,)


def test_images_and_files_are_nothing_it_lives_on() -> None:
    one = change(Verb.DELETE, live("c", Kind.CONTENT))
    assert spared(one) == one
    data_of_others = change(Verb.DELETE, live("v", Kind.VOLUME), name="shop_data")
    assert spared(data_of_others) == data_of_others
