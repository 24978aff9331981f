"""``trimtab images``: the images that this installation built, what they were built from, and who needs them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from trimtab.cli.common import (
    ConfigOption,
    DataDirOption,
    InstallationOption,
    OptionalApp,
    Output,
    OutputOption,
    document,
    explained,
    say,
    settings,
)
from trimtab.model.keys import AppKey
from trimtab.plan.units import ago, human

if TYPE_CHECKING:
    from trimtab.backends.engine.client import EngineClient
    from trimtab.config import Config
    from trimtab.ports import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltImage:
    """One image of ours. ``containers`` and ``releases`` are those that need it; with neither it goes after a while."""

    ref: str
    id: str
    size_bytes: int
    created_at: datetime
    repository: str
    commit: str
    path: str
    containers: tuple[str, ...]
    releases: tuple[str, ...]


def images(
    app: OptionalApp = None,
    *,
    output: OutputOption = Output.TEXT,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    installation: InstallationOption = None,
) -> None:
    """List the images that were built here, newest first."""
    with explained():
        from trimtab import wiring
        from trimtab.backends.engine.client import EngineClient

        chosen = settings(config, data_dir, installation)
        client = EngineClient(chosen.docker_host)
        store = wiring.open_store(chosen)
        try:
            key = AppKey.parse(app) if app else None
            found = built_images(client, chosen, store, key)
        finally:
            store.close()
            client.close()
    if output in {Output.JSON, Output.YAML}:
        document({"formatVersion": 1, "images": [_document(image) for image in found]}, output)
    elif not found:
        say(f"no image of '{app}' was built here" if app else "no image was built here")
    else:
        say("\n".join(table(found, datetime.now(UTC))))


def built_images(client: EngineClient, config: Config, store: Store, app: AppKey | None) -> list[BuiltImage]:
    """Of all applications or of one; newest first. Raises BackendUnavailable."""
    import json

    from trimtab.images.naming import BUILD_KEY_LABEL, BUILT_BY_LABEL

    filters = json.dumps({"label": [BUILD_KEY_LABEL, f"{BUILT_BY_LABEL}={config.installation}"]})
    listed = client.call("GET", "/images/json", what="list images", params={"filters": filters})
    # After the images: a container that is made in between is seen.
    containers = client.call("GET", "/containers/json", what="list containers", params={"all": "1"})
    users: dict[str, list[str]] = {}
    for container in containers:
        name = str((container.get("Names") or ["?"])[0]).lstrip("/")
        users.setdefault(str(container.get("ImageID")), []).append(name)
    known = {*store.applied.apps(), *(status.app for status in store.statuses.all())}
    releases = _releases(store, known)
    prefixes = _prefixes({*known, *((app,) if app else ())}, config.image_prefix)
    found = [
        _image(item, ref, users, releases)
        for item in listed
        for ref in item.get("RepoTags") or (() if app else ("<none>",))
        if ref == "<none>" or (ref.startswith(f"{config.image_prefix}/") and (not app or _owner(ref, prefixes) == app))
    ]
    return sorted(found, key=lambda image: (-image.created_at.timestamp(), image.ref))


def _owner(ref: str, prefixes: Mapping[str, AppKey]) -> AppKey | None:
    """Whose it is: of ``shop`` with ``admin-web`` and ``shop-admin`` with ``web``, the longer name wins."""
    fitting = [prefix for prefix in prefixes if ref.startswith(prefix)]
    return prefixes[max(fitting, key=len)] if fitting else None


def _prefixes(apps: Iterable[AppKey], prefix: str) -> Mapping[str, AppKey]:
    """What the references of each application's images begin with."""
    from trimtab.images.naming import image_repository

    # The name ends in the service's: a service of one letter shows what stands before it.
    return {image_repository(app, "x", prefix=prefix).removesuffix("x"): app for app in apps}


def _releases(store: Store, apps: Iterable[AppKey]) -> Mapping[str, list[str]]:
    """By image reference, the releases that history keeps and that would need it again."""
    needs: dict[str, list[str]] = {}
    for app in sorted(apps):
        for release in store.releases.list(app):
            for ref in sorted(set(release.images.values())):
                needs.setdefault(ref, []).append(f"{app}#{release.id}")
    return needs


def _image(
    item: Mapping[str, Any], ref: str, users: Mapping[str, list[str]], releases: Mapping[str, list[str]]
) -> BuiltImage:
    from trimtab.images.naming import COMMIT_LABEL, PATH_LABEL, REPOSITORY_LABEL

    labels = item.get("Labels") or {}
    return BuiltImage(
        ref=ref,
        id=str(item["Id"]),
        size_bytes=int(item.get("Size") or 0),
        created_at=datetime.fromtimestamp(int(item.get("Created") or 0), UTC),
        repository=str(labels.get(REPOSITORY_LABEL, "")),
        commit=str(labels.get(COMMIT_LABEL, "")),
        path=str(labels.get(PATH_LABEL, "")),
        containers=tuple(sorted(users.get(str(item["Id"]), ()))),
        releases=tuple(releases.get(ref, ())),
    )


def _document(image: BuiltImage) -> dict[str, object]:
    return {
        "ref": image.ref,
        "id": image.id,
        "sizeBytes": image.size_bytes,
        "createdAt": image.created_at.isoformat(),
        "repository": image.repository,
        "commit": image.commit,
        "path": image.path,
        "containers": list(image.containers),
        "releases": list(image.releases),
    }


def table(found: list[BuiltImage], now: datetime) -> list[str]:
    """One line an image."""
    rows = [("IMAGE", "SIZE", "AGE", "COMMIT", "PATH", "USED BY")]
    for image in found:
        age = ago((now - image.created_at).total_seconds())
        by = [*image.containers, *(f"release {release}" for release in image.releases[:3])]
        more = len(image.releases) - 3
        used = ", ".join(by) + (f" and {more} more" if more > 0 else "")
        size = human(image.size_bytes, "bytes")
        rows.append((image.ref, size, age, image.commit[:7] or "-", image.path or "-", used or "nothing"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
