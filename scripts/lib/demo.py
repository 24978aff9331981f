"""What scripts/up asks about the demo: is every application settled, and the removal of what it made on the engine.

Run by scripts/lib/demo.sh with the Python of .venv.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

import docker
import docker.errors
import requests.exceptions
from engine import connect

APP, INSTALLATION = "trimtab.dev/app", "trimtab.dev/installation"
KIND, OBJECT, REVISION = "trimtab.dev/kind", "trimtab.dev/object", "trimtab.dev/revision"
BUILT_BY = "trimtab.dev/built-by"


def unsettled(report: str, wanted: Iterable[str]) -> list[str]:
    """For each wanted application that is not Synced and Healthy by this ``trimtab status -o json``, a sentence."""
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
        if (item["sync"], item["health"]) != ("Synced", "Healthy"):
            because = f": {item['message']}" if item.get("message") else ""
            sentences.append(f"{name} is {item['sync']} and {item['health']}{because}")
    return sentences


def commits(repository: str) -> frozenset[str]:
    """Every commit that the demo's repository has."""
    listed = subprocess.run(["git", "-C", repository, "rev-list", "--all"], check=True, capture_output=True, text=True)
    return frozenset(listed.stdout.split())


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


def installations(api: docker.APIClient, repository: str) -> frozenset[str]:
    """The ids that the demo's controllers had: those on objects that were made from a commit of its repository."""
    known = commits(repository)
    return frozenset(
        labels[INSTALLATION]
        for _, name, labels, _ in objects(api, APP)
        if labels.get(REVISION) in known and INSTALLATION in labels and is_named_as_labelled(name, labels)
    )


def remove(api: docker.APIClient, repository: str, *, volumes: bool) -> list[str]:
    """Remove what the demo made from ``repository``; returns the names of the volumes that are kept."""
    kept = []
    for installation in sorted(installations(api, repository)):
        for sort, name, labels, removal in objects(api, f"{INSTALLATION}={installation}"):
            if not is_named_as_labelled(name, labels):
                continue
            # Files of the repository lie in volumes of the kind `content`; data lies in those of the kind `volume`.
            if labels.get(KIND) == "volume" and not volumes:
                kept.append(name)
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
    """``settled APP...`` reads a status from standard input; ``down REPOSITORY [--volumes]`` removes."""
    if verb == "settled":
        sentences = unsettled(sys.stdin.read(), arguments)
        print("; ".join(sentences) or f"{', '.join(arguments)}: Synced and Healthy")
        return 1 if sentences else 0
    try:
        with contextlib.closing(connect(timeout_s=60)) as api:
            print("\n".join(remove(api, arguments[0], volumes="--volumes" in arguments)))
    except (
        docker.errors.DockerException,
        requests.exceptions.RequestException,
        subprocess.CalledProcessError,
    ) as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
