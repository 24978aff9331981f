"""The labels on every object of ours, and how they prove that an object is ours.

Labels can be copied, and an image's ``LABEL``s are inherited by its containers, so labels alone
prove nothing. The ``seal`` is a keyed digest over the identity labels, and it counts only on an
object that carries the name which we would give it: names are unique on an engine, so a copy of
our labels on another container is somebody else's. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from trimtab.model.keys import RUNS, AppKey, Kind, ResourceKey
from trimtab.plan.canonical import canonical_json, fingerprint

PREFIX = "trimtab.dev/"
INSTALLATION = PREFIX + "installation"
APP = PREFIX + "app"
NAMESPACE = PREFIX + "namespace"
KIND = PREFIX + "kind"
NAME = PREFIX + "name"
REPLICA = PREFIX + "replica"
DIGEST = PREFIX + "digest"
REVISION = PREFIX + "revision"
OBJECT = PREFIX + "object"
WAVE = PREFIX + "wave"
SEAL = PREFIX + "seal"
# Of a volume that took over the data of another: which. It is told, not proved: the seal does not cover it.
COPIED_FROM = PREFIX + "copied-from"
# On the helper that replaces a controller's own container: the ids of the two.
HANDED_FROM, HANDED_TO = PREFIX + "handed-from", PREFIX + "handed-to"

COMPOSE_PREFIX = "com.docker.compose."


def staging_name(name: str, digest: str) -> str:
    """The name under which a replacement waits until it has proved itself; then it is renamed."""
    return f"{name}-{digest[:8]}"


def seal(labels: Mapping[str, str], seal_key: bytes) -> str:
    """A keyed digest of every label of ours but revision and wave; only who has the key can make it."""
    unsealed = {SEAL, REVISION, WAVE}
    identity = {key: value for key, value in labels.items() if key.startswith(PREFIX) and key not in unsealed}
    return fingerprint(seal_key, canonical_json(identity))


def labels_for(
    key: ResourceKey, *, name: str, digest: str, revision: str, installation: str, seal_key: bytes, wave: int = 0
) -> dict[str, str]:
    """Every label of one object but the user's own. ``name`` is its final engine name."""
    labels = {
        INSTALLATION: installation,
        APP: key.app.name,
        NAMESPACE: key.app.namespace,
        KIND: key.kind.value,
        NAME: key.name,
        REPLICA: str(key.replica),
        OBJECT: name,
        DIGEST: digest,
    }
    labels[SEAL] = seal(labels, seal_key)
    labels[REVISION] = revision
    if wave:
        labels[WAVE] = str(wave)
    project = key.app.project
    match key.kind:
        case Kind.CONTAINER | Kind.HOOK | Kind.JOB:
            labels |= {
                COMPOSE_PREFIX + "project": project,
                COMPOSE_PREFIX + "service": key.name,
                COMPOSE_PREFIX + "container-number": str(key.replica or 1),
                # As those of "compose run": not among the containers that a service has.
                COMPOSE_PREFIX + "oneoff": "True" if key.kind in RUNS else "False",
                COMPOSE_PREFIX + "config-hash": digest,
                # compose ls reads these two; there is no file on any disk to name.
                COMPOSE_PREFIX + "project.config_files": "",
                COMPOSE_PREFIX + "project.working_dir": "",
                COMPOSE_PREFIX + "version": "2.0.0",
            }
        case Kind.NETWORK:
            labels |= {COMPOSE_PREFIX + "project": project, COMPOSE_PREFIX + "network": key.name}
        case Kind.VOLUME:
            labels |= {COMPOSE_PREFIX + "project": project, COMPOSE_PREFIX + "volume": key.name}
        case Kind.CONTENT | Kind.IMAGE:
            pass
    return labels


def identify(labels: Mapping[str, str], name: str, *, seal_key: bytes, installation: str) -> ResourceKey | None:
    """Whose object it is: its key if labels, seal and name agree that it is ours, else None."""
    if name not in {labels.get(OBJECT, ""), staging_name(labels.get(OBJECT, ""), labels.get(DIGEST, ""))}:
        return None
    return made_for(labels, seal_key=seal_key, installation=installation)


def renamed_from(labels: Mapping[str, str], name: str) -> str:
    """The name that something of ours was made for, if it has another one now; else ""."""
    made_as = labels.get(OBJECT, "")
    return "" if name in {made_as, staging_name(made_as, labels.get(DIGEST, ""))} else made_as


def made_for(labels: Mapping[str, str], *, seal_key: bytes, installation: str) -> ResourceKey | None:
    """What the labels and their seal say it is, whatever it is called. A copy of the labels says the same."""
    if labels.get(INSTALLATION) != installation:
        return None
    said = labels.get(SEAL, "")
    # The image's own trimtab.dev labels (provenance) are inherited; they are not part of the identity.
    ours = {
        key: labels[key] for key in (INSTALLATION, APP, NAMESPACE, KIND, NAME, REPLICA, OBJECT, DIGEST) if key in labels
    }
    if not said or said != seal(ours, seal_key):
        return None
    try:
        # A version to come may seal other labels, or other kinds: its objects are none of ours.
        return ResourceKey(AppKey(ours[NAMESPACE], ours[APP]), Kind(ours[KIND]), ours[NAME], int(ours[REPLICA]))
    except (KeyError, ValueError):
        return None


def user_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels that are neither ours nor Compose's bookkeeping, by name."""
    return {key: labels[key] for key in sorted(labels) if not key.startswith((PREFIX, COMPOSE_PREFIX))}


def label_filter(installation: str, **labels: str) -> str:
    """A list's ``filters`` parameter for labels of ours."""
    wanted = [f"{INSTALLATION}={installation}", *(f"{PREFIX}{k}={v}" for k, v in sorted(labels.items()))]
    return json.dumps({"label": wanted})
