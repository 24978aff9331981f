"""What scripts/up asks about the demo: is every application settled, and the removal of what it made on the engine.

Run by scripts/lib/demo.sh with the Python of .venv.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial

import docker
import docker.errors
import requests.exceptions
from engine import connect

INSTALLATION, KIND, OBJECT = "trimtab.dev/installation", "trimtab.dev/kind", "trimtab.dev/object"
BUILT_BY = "trimtab.dev/built-by"
# A controller's own notes on the engine: its key, its lock and what fills volumes. They have no name by label.
KEY = "installation"
NOTES = frozenset({KEY, "lock", "challenge", "filler", "filling"})


def unsettled(report: str, wanted: Iterable[str], since: datetime) -> list[str]:
    """For each wanted application that is not Synced and Healthy by this ``trimtab status -o json``, a sentence.

    What was seen before ``since`` is what an earlier controller knew, and says nothing about now.
    """
    try:
        found = {item["name"]: item for item in json.loads(report)["applications"]}
    except (ValueError, KeyError, TypeError):
        return [" ".join(report.split())[:300] or "trimtab status said nothing"]
    sentences = []
    for name in wanted:
        if name not in found:
            sentences.append(f"{name} is not there yet")
            continue
        item = found[name]
        sync, health = item["sync"]["status"], item["health"]["status"]
        if not item["observedAt"] or datetime.fromisoformat(item["observedAt"]) < since:
            sentences.append(f"{name} has not been looked at since the start")
        elif (sync, health) != ("Synced", "Healthy"):
            because = f": {item['message']}" if item.get("message") else ""
            sentences.append(f"{name} is {sync} and {health}{because}")
    return sentences


Removal = tuple[str, str, Mapping[str, str], Callable[[], object]]


def objects(api: docker.APIClient, label: str) -> Iterator[Removal]:
    """Each container, network and volume with ``label``: what it is, its name, its labels, and its removal."""
    filters = {"label": label}
    for container in api.containers(all=True, filters=filters):
        name = container["Names"][0].lstrip("/") if container["Names"] else ""
        yield "container", name, container["Labels"], partial(api.remove_container, container["Id"], force=True)
    for network in api.networks(filters=filters):
        yield "network", network["Name"], network["Labels"], partial(api.remove_network, network["Id"])
    for volume in api.volumes(filters=filters)["Volumes"] or ():
        yield "volume", volume["Name"], volume["Labels"], partial(api.remove_volume, volume["Name"])


def is_named_as_labelled(name: str, labels: Mapping[str, str]) -> bool:
    """Whether an object has the name that its labels give it: copied labels on something else are not ours."""
    final = labels.get(OBJECT, "")
    return bool(final) and (name == final or name.startswith(f"{final}-"))


def remove(api: docker.APIClient, installation: str, *, volumes: bool) -> list[str]:
    """Remove what ``installation`` made on the engine; returns the names of the volumes of data that are kept."""
    found = [
        (sort, name, labels.get(KIND, ""), removal)
        for sort, name, labels, removal in objects(api, f"{INSTALLATION}={installation}")
        if labels.get(KIND) in NOTES or is_named_as_labelled(name, labels)
    ]
    # Files of the repository lie in volumes of the kind `content`; data lies in those of the kind `volume`.
    kept = [name for _, name, kind, _ in found if kind == "volume" and not volumes]
    for sort, name, kind, removal in found:
        # The key proves whose the kept volumes are.
        if name in kept or (kind == KEY and kept):
            continue
        with contextlib.suppress(docker.errors.NotFound):
            removal()
        print(f"   removed {sort} {name}", file=sys.stderr)
    for image in api.images(filters={"label": f"{BUILT_BY}={installation}"}):
        for tag in [tag for tag in image["RepoTags"] or () if tag.startswith("trimtab/")]:
            with contextlib.suppress(docker.errors.NotFound):
                api.remove_image(tag)
            print(f"   removed image {tag}", file=sys.stderr)
    return kept


def main(verb: str, *arguments: str) -> int:
    """``settled SINCE APP...`` reads a status from standard input; ``down INSTALLATION [--volumes]`` removes."""
    if verb == "settled":
        since, *wanted = arguments
        sentences = unsettled(sys.stdin.read(), wanted, datetime.fromtimestamp(int(since), UTC))
        print("; ".join(sentences) or f"{', '.join(wanted)}: Synced and Healthy")
        return 1 if sentences else 0
    try:
        with contextlib.closing(connect(timeout_s=60)) as api:
            print("\n".join(remove(api, arguments[0], volumes="--volumes" in arguments)))
    except (
        docker.errors.DockerException,
        requests.exceptions.RequestException,
    ) as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
