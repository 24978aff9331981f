"""Rarely walked ways of comparing and showing: what a reader sees, and that nothing is lost on them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from tests.support.rig import Rig, shop
from tests.support.strategies import applications
from trimtab.model.application import Application
from trimtab.model.change import Reason, Verb
from trimtab.model.desired import ContentFile, DesiredState, Secret
from trimtab.model.keys import Kind
from trimtab.model.plan import Plan
from trimtab.plan.assemble import make_plan
from trimtab.plan.diff import DiffOptions
from trimtab.plan.imagepins import IMAGE_TRAIT, candidates, images_of, pin_images
from trimtab.plan.render import PlanHeader, plan_markdown, plan_text
from trimtab.plan.render.markdown import MAX_CHARACTERS
from trimtab.plan.secrets import secret_values
from trimtab.plan.suppose import suppose

WEB = {"image": "registry.example.com/web:1"}
HEADER = PlanHeader(app="shop")


def plan(rig: Rig, desired: DesiredState, **options: object) -> Plan[object]:
    observed = rig.world.observe(desired.app, images=[r.name for r in desired.of_kind(Kind.IMAGE)])
    return make_plan(desired, observed, rig.dialect, DiffOptions(**options))  # type: ignore[arg-type,return-value]


@pytest.mark.slow
@given(applications())
def test_what_is_supposed_to_run_as_wanted_needs_no_change(app: Application) -> None:
    """Else comparing two commits would show what neither of them asks for."""
    desired = Rig().desired(app)
    assert make_plan(desired, suppose(desired), Rig().dialect, DiffOptions()).changes == ()


def test_supposing_an_external_object_would_take_it_for_ours() -> None:
    app = shop({"web": {**WEB, "networks": {"far": None}}}, networks={"far": {"name": "far", "external": True}})
    supposed = suppose(Rig().desired(app))
    assert not [key for key in supposed.live if key.kind is Kind.NETWORK]
    assert set(supposed.images) == {"registry.example.com/web:1"}


def test_an_image_that_is_never_to_be_pulled_and_is_not_there_is_told_and_refused() -> None:
    rig = Rig()
    desired = rig.desired(shop({"web": {"image": "gone:1", "pull_policy": "never"}}))
    observed = replace(rig.world.observe(desired.app), images={"gone:1": ""})
    made = make_plan(desired, observed, rig.dialect, DiffOptions())
    (image,) = [change for change in made.changes if change.key.kind is Kind.IMAGE]
    assert (image.verb, image.reason) == (Verb.KEEP, Reason.IMAGE_ABSENT)
    assert "pull_policy is never" in plan_text(made, HEADER)


def test_a_release_is_put_back_by_its_image_and_not_by_a_tag_that_moved() -> None:
    rig = Rig()
    desired = rig.desired(shop({"web": WEB, "other": {"image": "other:1"}}))
    (web,) = [r for r in desired.of_kind(Kind.IMAGE) if r.key.name == "web"]
    images = {"web": "sha256:old registry.example.com/web@sha256:d1"}
    assert set(candidates(desired, images)) == {"sha256:old", "registry.example.com/web@sha256:d1"}

    def name(present: dict[str, str]) -> str:
        return pin_images(desired, images, present).resources[web.key].name

    assert name({web.name: "sha256:old"}) == web.name, "the tag has not moved"
    assert name({web.name: "sha256:new", "sha256:old": "sha256:old"}) == "sha256:old"
    assert name({}) == "registry.example.com/web@sha256:d1", "to be fetched by its digest"
    pinned = pin_images(desired, images, {})
    traits = {r.key.name: r.traits.get(IMAGE_TRAIT) for r in pinned.of_kind(Kind.CONTAINER)}
    assert traits == {"web": "registry.example.com/web@sha256:d1", "other": None}
    assert pin_images(desired, {"web": "sha256:old"}, {}) is desired, "known nowhere: left to its tag"
    assert pin_images(desired, {}, {}) is desired


def test_the_images_of_a_release_are_those_its_containers_run() -> None:
    rig = Rig()
    app = shop({"web": {**WEB, "deploy": {"replicas": 2}}})
    rig.converge(app)
    desired, observed = rig.desired(app), rig.world.observe(app.key)
    ids = {live.image_id for lives in observed.live.values() for live in lives if live.key.kind is Kind.CONTAINER}
    assert set(images_of(desired, observed)) == {"web"}
    assert images_of(desired, observed)["web"].split()[0] in ids


def test_a_comment_that_would_be_too_long_is_cut_at_a_line_and_says_so() -> None:
    rig = Rig()
    labels = {f"label-{number}": "x" * 40 for number in range(1500)}
    app = shop({"web": {**WEB, "labels": dict.fromkeys(labels, "y")}})
    rig.converge(app)
    made = plan(rig, rig.desired(shop({"web": {**WEB, "labels": labels}})))
    text = plan_markdown(made, HEADER)
    assert len(text) < MAX_CHARACTERS + 1000
    assert "… cut; 'trimtab plan' shows all of it\n```\n" in text
    assert len(plan_text(made, HEADER)) > len(text)


def test_a_secrets_own_text_never_shows_it_and_equals_only_itself() -> None:
    one, same, other = Secret("a", "1" * 16), Secret("a", "1" * 16), Secret("b", "2" * 16)
    assert one == same == "a"
    assert one != other
    assert one != 5
    assert len({one, same, other}) == 2
    assert f"{one} {one!r}" == "(secret 11111111) (secret 11111111)"


def test_the_content_of_a_secret_file_is_masked_line_for_line_and_nothing_is_made_of_an_empty_one() -> None:
    desired = replace(
        Rig().nothing(),
        contents={
            "volume": (
                ContentFile(path="a", data=b" hunter2\n", secret=True),
                ContentFile(path="b", data=b"public", secret=False),
                ContentFile(path="c", data=b"\n", secret=True),
            )
        },
    )
    assert secret_values(desired) == ("hunter2",)
