"""Names and labels of our images."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.images.naming import image_ref, image_repository, provenance_labels
from trimtab.model.keys import AppKey

KEY = "0123456789abcdef" * 4
SHOP = AppKey("default", "shop")
# Source: github.com/distribution/reference, grammar of a name.
COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
REFERENCE = re.compile(rf"{COMPONENT}(?:/{COMPONENT})*:[0-9a-f]{{12}}")
SERVICES = st.from_regex(r"[a-zA-Z0-9._-]{1,80}", fullmatch=True)


@pytest.mark.parametrize(
    ("app", "service", "ref"),
    [
        (SHOP, "web", "trimtab/default/shop-web:0123456789ab"),
        (SHOP, "web_1.x-y", "trimtab/default/shop-web_1.x-y:0123456789ab"),
        (AppKey("team", "shop"), "api", "trimtab/team/shop-api:0123456789ab"),
    ],
)
def test_names_read_as_the_contract_says(app: AppKey, service: str, ref: str) -> None:
    assert image_ref(app, service, KEY) == ref


def test_the_prefix_can_be_set() -> None:
    assert image_repository(SHOP, "web", prefix="registry.test:5000/team") == "registry.test:5000/team/default/shop-web"


@pytest.mark.slow
@given(SERVICES)
def test_every_service_name_makes_a_valid_reference(service: str) -> None:
    ref = image_ref(SHOP, service, KEY)
    assert REFERENCE.fullmatch(ref), ref
    assert len(ref) < 255


@given(SERVICES, SERVICES)
def test_two_services_never_share_a_name(one: str, other: str) -> None:
    assert (image_ref(SHOP, one, KEY) == image_ref(SHOP, other, KEY)) == (one == other)


@pytest.mark.parametrize("pair", [("Web", "web"), ("a_b", "a__b"), ("web", "web-"), ("-", "_")])
def test_names_that_differ_in_what_docker_does_not_take(pair: tuple[str, str]) -> None:
    assert image_ref(SHOP, pair[0], KEY) != image_ref(SHOP, pair[1], KEY)


def test_provenance_says_where_from_and_leaves_out_what_is_not_known() -> None:
    labels = provenance_labels(key=KEY, installation="i", repository="", commit="c0ffee", path="")
    assert labels == {
        "trimtab.dev/build-key": KEY,
        "trimtab.dev/built-by": "i",
        "trimtab.dev/commit": "c0ffee",
        "trimtab.dev/path": ".",
        "org.opencontainers.image.revision": "c0ffee",
    }


def test_no_label_of_an_image_marks_a_container_as_ours() -> None:
    labels = provenance_labels(key=KEY, installation="i", repository="r", commit="c", path="p")
    # Containers inherit image labels; these are the ones that containers of ours are found by.
    assert not {"trimtab.dev/installation", "trimtab.dev/app", "trimtab.dev/kind"} & set(labels)
