"""Which images are old enough to go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from trimtab.images.retention import GRACE, OwnImage, expired

NOW = datetime(2026, 1, 10, tzinfo=UTC)


def image(number: int, *, days: int = 1, installation: str = "i", key: str = "k", service: str = "web") -> OwnImage:
    return OwnImage(
        id=f"sha256:{number}",
        refs=(f"trimtab/default/shop-{service}:{number}",),
        created_at=NOW - timedelta(days=days),
        installation=installation,
        build_key=key,
    )


IMAGES = st.lists(
    st.builds(
        image,
        st.integers(0, 20),
        days=st.integers(0, 5),
        installation=st.sampled_from(["i", "other", ""]),
        key=st.sampled_from(["k", ""]),
        service=st.sampled_from(["web", "api"]),
    ),
    unique_by=lambda item: item.id,
    max_size=12,
)
SOME = st.frozensets(st.integers(0, 20), max_size=5)


@given(IMAGES, SOME, SOME, SOME, st.integers(0, 4))
def test_only_ours_only_unused_only_unkept_and_never_the_newest(
    images: list[OwnImage], used: frozenset[int], kept_ids: frozenset[int], kept_refs: frozenset[int], count: int
) -> None:
    in_use = {f"sha256:{number}" for number in used}
    kept = {f"sha256:{number}" for number in kept_ids} | {f"trimtab/default/shop-web:{number}" for number in kept_refs}
    gone = expired(images, installation="i", in_use=in_use, kept=kept, now=NOW, kept_releases=count)
    for old in gone:
        assert old.installation == "i"
        assert old.build_key
        assert old.id not in in_use
        assert not {old.id, *old.refs} & kept
        assert old.created_at < NOW - GRACE
    for service in ("web", "api"):
        ours = [i for i in images if i.installation == "i" and i.build_key and f"shop-{service}" in i.refs[0]]
        newest = sorted(ours, key=lambda i: (i.created_at, i.id), reverse=True)[:count]
        assert not set(newest) & set(gone)
    assert list(gone) == sorted(gone, key=lambda i: (i.created_at, i.id))
    assert gone == expired(images[::-1], installation="i", in_use=in_use, kept=kept, now=NOW, kept_releases=count)


def test_the_last_five_of_a_service_stay_and_older_ones_go() -> None:
    images = [image(number, days=number) for number in range(1, 9)] + [image(99, days=30, service="api")]
    gone = expired(images, installation="i", in_use=(), kept=(), now=NOW)
    assert [old.id for old in gone] == ["sha256:8", "sha256:7", "sha256:6"]


def test_an_image_that_was_just_built_stays() -> None:
    assert expired([image(1, days=0)], installation="i", in_use=(), kept=(), now=NOW, kept_releases=0) == ()
