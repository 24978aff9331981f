"""Reading and writing files of a volume through the API alone: a container that mounts it and never runs.

Nothing touches a file system but the engine's own, so it works with a remote engine, and when the controller
is in a container itself. The container's image is an empty one that the engine imports from an empty archive.
"""

from __future__ import annotations

import io
import json
import secrets
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from trimtab.backends.engine.client import EngineClient
from trimtab.backends.engine.errors import Missing, explain
from trimtab.backends.engine.labels import INSTALLATION, KIND

_REPOSITORY, _TAG = "trimtab/filler", "1"
IMAGE = f"{_REPOSITORY}:{_TAG}"
# Where the volume is inside the container.
ROOT = "/volume"
# An archive without entries: two blocks of zeros.
_EMPTY_ARCHIVE = b"\0" * 1024
_WRITING_S = 300.0


@contextmanager
def mounted(client: EngineClient, volume: str, installation: str) -> Iterator[str]:
    """The id of a container that mounts ``volume`` at ``ROOT``; it is removed again."""
    body = {
        "Image": IMAGE,
        "Cmd": ["-"],
        "Labels": {INSTALLATION: installation, KIND: "filler"},
        "HostConfig": {
            "NetworkMode": "none",
            "Mounts": [{"Type": "volume", "Source": volume, "Target": ROOT, "VolumeOptions": {"NoCopy": True}}],
        },
    }
    name = f"trimtab-filler-{secrets.token_hex(6)}"

    def make() -> str:
        answer = client.call(
            "POST", "/containers/create", what="prepare volume", key=volume, params={"name": name}, body=body
        )
        return str(answer["Id"])

    try:
        container_id = make()
    except Missing:
        _import_image(client)
        container_id = make()
    try:
        yield container_id
    finally:
        try:
            params = {"force": "1", "v": "0"}
            client.call(
                "DELETE", f"/containers/{container_id}", what="clean up after volume", key=volume, params=params
            )
        except Missing:
            pass


def write(client: EngineClient, container_id: str, archive: bytes | Iterable[bytes], what: str) -> None:
    """Unpack a tar archive into the volume; owners and modes are the archive's."""
    client.call(
        "PUT",
        f"/containers/{container_id}/archive",
        what="write into volume",
        key=what,
        params={"path": ROOT},
        data=archive,
        headers={"Content-Type": "application/x-tar"},
        timeout_s=_WRITING_S,
    )


def read(client: EngineClient, container_id: str, path: str) -> bytes | None:
    """One file of the volume; None if it is not there or is no file."""
    try:
        response = client.open(
            "GET",
            f"/containers/{container_id}/archive",
            what="read from volume",
            key=path,
            params={"path": f"{ROOT}/{path}"},
        )
    except Missing:
        return None
    with response, tarfile.open(fileobj=io.BytesIO(response.content)) as archive:
        for member in archive:
            if member.isfile() and (handle := archive.extractfile(member)) is not None:
                return handle.read()
    return None


def is_one(summary: Mapping[str, Any]) -> bool:
    """Whether a container, as the list has it, is one of these."""
    return (summary.get("Labels") or {}).get(KIND) == "filler" and summary.get("Image") == IMAGE


def remove_leftovers(client: EngineClient, volume: str, installation: str) -> None:
    """Remove fillers that a crash left on ``volume``, so that it can be removed."""
    filters = json.dumps({"volume": [volume], "label": [f"{INSTALLATION}={installation}", f"{KIND}=filler"]})
    params = {"all": "1", "filters": filters}
    for summary in client.call("GET", "/containers/json", what="list fillers", key=volume, params=params):
        try:
            client.call(
                "DELETE", f"/containers/{summary['Id']}", what="remove filler", key=volume, params={"force": "1"}
            )
        except Missing:
            continue


def _import_image(client: EngineClient) -> None:
    params = {"fromSrc": "-", "repo": _REPOSITORY, "tag": _TAG, "message": "an empty image, to write into volumes"}
    answer = client.call(
        "POST", "/images/create", what="import image", key=IMAGE, params=params, data=_EMPTY_ARCHIVE,
        headers={"Content-Type": "application/x-tar"},
    )  # fmt: skip
    if "errorDetail" in str(answer):
        raise explain(500, str(answer), f"import image {IMAGE}")
