"""How our images are called and marked: the engine alone tells whose they are and what made them. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from trimtab.images.buildspec import DISPLAYED_KEY_LENGTH
from trimtab.model.keys import AppKey

DEFAULT_PREFIX = "trimtab"

BUILD_KEY_LABEL = "trimtab.dev/build-key"
# Not trimtab.dev/installation: containers inherit image labels, and anybody's container of this image would then
# be listed among those that this installation looks after.
BUILT_BY_LABEL = "trimtab.dev/built-by"
REPOSITORY_LABEL = "trimtab.dev/repository"
COMMIT_LABEL = "trimtab.dev/commit"
PATH_LABEL = "trimtab.dev/path"
SOURCE_LABEL = "org.opencontainers.image.source"
REVISION_LABEL = "org.opencontainers.image.revision"

# Source: github.com/distribution/reference, path-component. A double underscore is kept for encoded names.
_PLAIN = re.compile(r"[a-z0-9]+(?:(?:\.|_|-+)[a-z0-9]+)*")
_UNFIT = re.compile(r"[^a-z0-9]+")
# The whole name may have 255 characters; three parts of this length and a prefix fit.
_LONGEST = 63


def image_ref(app: AppKey, service: str, key: str, *, prefix: str = DEFAULT_PREFIX) -> str:
    """``<prefix>/<namespace>/<app>-<service>:<key>``, as docker's rules for references want it.

    A service's name that docker would not take (capitals, doubled or edge separators, length) becomes a readable
    stem with a digest of the name; no two services of an application share an image name.
    """
    return f"{image_repository(app, service, prefix=prefix)}:{key[:DISPLAYED_KEY_LENGTH]}"


def image_repository(app: AppKey, service: str, *, prefix: str = DEFAULT_PREFIX) -> str:
    """The reference without its tag."""
    return f"{prefix}/{_component(app.namespace)}/{_component(app.name)}-{_component(service)}"


def _component(name: str) -> str:
    if len(name) <= _LONGEST and _PLAIN.fullmatch(name):
        return name
    stem = _UNFIT.sub("-", name.lower()).strip("-")[:_LONGEST].strip("-") or "x"
    return f"{stem}__{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def provenance_labels(*, key: str, installation: str, repository: str, commit: str, path: str) -> Mapping[str, str]:
    """The labels that say where an image comes from; never part of its key. ``repository`` holds no credentials."""
    labels = {
        BUILD_KEY_LABEL: key,
        BUILT_BY_LABEL: installation,
        REPOSITORY_LABEL: repository,
        COMMIT_LABEL: commit,
        PATH_LABEL: path or ".",
        SOURCE_LABEL: repository,
        REVISION_LABEL: commit,
    }
    return {name: value for name, value in labels.items() if value}
