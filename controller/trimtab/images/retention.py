"""Which of our images are old enough to go, and their removal; never others', never one that is used or kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from docker import APIClient
from docker.errors import APIError, NotFound
from requests import RequestException

from trimtab.errors import BackendUnavailable
from trimtab.images.naming import BUILD_KEY_LABEL, BUILT_BY_LABEL, DEFAULT_PREFIX

DEFAULT_KEPT_RELEASES = 5
# An image that was just built may not be in a release or a container yet.
GRACE = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnImage:
    """An image with our labels; ``refs`` are its tags, ours and others'."""

    id: str
    refs: tuple[str, ...]
    created_at: datetime
    installation: str
    build_key: str

    def own_refs(self, prefix: str) -> tuple[str, ...]:
        """The tags that we gave."""
        return tuple(ref for ref in self.refs if ref.startswith(f"{prefix}/"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What became of a sweep: references removed, and those left for later with the engine's reason."""

    removed: tuple[str, ...] = ()
    left: tuple[tuple[str, str], ...] = ()


def expired(
    images: Iterable[OwnImage],
    *,
    installation: str,
    in_use: Collection[str],
    kept: Collection[str],
    now: datetime,
    kept_releases: int = DEFAULT_KEPT_RELEASES,
    prefix: str = DEFAULT_PREFIX,
) -> tuple[OwnImage, ...]:
    """The images to remove, oldest first.

    ``in_use`` are the image ids of all containers, running or not, anybody's. ``kept`` are the references and ids of
    the releases that history keeps, for rollback too. Besides, the newest ``kept_releases`` images of each service
    stay, so that a lost history loses no way back.
    """
    ours = [image for image in images if image.installation == installation and image.build_key]
    newest = _newest_by_repository(ours, kept_releases, prefix)
    gone = [
        image
        for image in ours
        if image.id not in in_use
        and image.id not in newest
        and image.id not in kept
        and not any(ref in kept for ref in image.refs)
        and image.created_at < now - GRACE
    ]
    return tuple(sorted(gone, key=lambda image: (image.created_at, image.id)))


def _newest_by_repository(images: Iterable[OwnImage], count: int, prefix: str) -> frozenset[str]:
    by_repository: dict[str, list[OwnImage]] = defaultdict(list)
    for image in images:
        for repository in {ref.rpartition(":")[0] for ref in image.own_refs(prefix)}:
            by_repository[repository].append(image)
    return frozenset(
        image.id
        for listed in by_repository.values()
        for image in sorted(listed, key=lambda image: (image.created_at, image.id), reverse=True)[:count]
    )


def own_images(api: APIClient, installation: str) -> tuple[tuple[OwnImage, ...], frozenset[str]]:
    """Our images, and the image ids of all containers on the engine. Two calls. Raises BackendUnavailable."""
    try:
        listed: list[dict[str, Any]] = api.images(
            filters={"label": [BUILD_KEY_LABEL, f"{BUILT_BY_LABEL}={installation}"]}
        )
        # Listed after the images: a container that is made in between is seen.
        containers: list[dict[str, Any]] = api.containers(all=True)
    except (APIError, RequestException) as error:
        raise BackendUnavailable(f"the engine could not list images and containers: {error}") from error
    return tuple(_own_image(item) for item in listed), frozenset(str(c["ImageID"]) for c in containers)


def _own_image(item: dict[str, Any]) -> OwnImage:
    labels = item.get("Labels") or {}
    refs = (ref for ref in item.get("RepoTags") or () if ref != "<none>:<none>")
    return OwnImage(
        id=str(item["Id"]),
        refs=tuple(sorted(refs)),
        created_at=datetime.fromtimestamp(item["Created"], UTC),
        installation=str(labels.get(BUILT_BY_LABEL, "")),
        build_key=str(labels.get(BUILD_KEY_LABEL, "")),
    )


def remove(api: APIClient, images: Iterable[OwnImage], *, prefix: str = DEFAULT_PREFIX) -> Removal:
    """Take our tags from ``images``; the engine drops an image with its last tag, unless something needs it.

    Never forced: an image that a container or another image needs is answered with 409 and left for the next time.
    An image that has only others' tags left is not ours any more.
    """
    removed: list[str] = []
    left: list[tuple[str, str]] = []
    for image in images:
        for ref in image.own_refs(prefix) or (() if image.refs else (image.id,)):
            try:
                api.remove_image(ref)
            except NotFound:
                continue
            except (APIError, RequestException) as error:
                left.append((ref, str(getattr(error, "explanation", None) or error)))
            else:
                removed.append(ref)
    return Removal(removed=tuple(removed), left=tuple(left))
