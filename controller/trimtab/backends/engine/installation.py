"""The installation's key, kept on the engine as well, so that losing the data directory loses nothing (I8).

With another key every seal and every fingerprint would read as somebody else's, and all would be made anew.
"""

from __future__ import annotations

import tarfile
from collections.abc import Mapping

from trimtab.backends.engine import filler
from trimtab.backends.engine.client import EngineClient
from trimtab.backends.engine.content import archive
from trimtab.backends.engine.errors import Missing
from trimtab.backends.engine.labels import INSTALLATION, KIND, PREFIX
from trimtab.backends.engine.volume_calls import make_volume
from trimtab.errors import Conflict
from trimtab.model.desired import ContentFile
from trimtab.plan.canonical import fingerprint

KEY_LENGTH = 32
# Tells which key a volume was made for, and nothing about the key.
FINGERPRINT = PREFIX + "key-fingerprint"
_FILE = "key"


def volume_name(installation: str) -> str:
    """The volume that keeps the key of ``installation``."""
    return f"trimtab_{installation}"


def recover_key(client: EngineClient, installation: str) -> bytes | None:
    """The key that the engine keeps; None when it keeps none, or not a whole one."""
    name = volume_name(installation)
    try:
        inspect = client.call("GET", f"/volumes/{name}", what="look for the installation's key", key=name)
    except Missing:
        return None
    if not _ours(inspect.get("Labels") or {}, installation):
        return None
    with filler.mounted(client, name, installation) as container_id:
        return _read(client, container_id)


def keeps_key(client: EngineClient, installation: str, key: bytes) -> bool:
    """Whether the engine keeps ``key``, by the volume's labels: reading the file itself takes a container."""
    name = volume_name(installation)
    try:
        inspect = client.call("GET", f"/volumes/{name}", what="look for the installation's key", key=name)
    except Missing:
        return False
    labels = inspect.get("Labels") or {}
    return _ours(labels, installation) and labels.get(FINGERPRINT) == _fingerprint(key, installation)


def store_key(client: EngineClient, installation: str, key: bytes) -> None:
    """Keep ``key`` on the engine; one that is there already is kept, and has to be the same.

    Raises:
        Conflict: the engine keeps another key, or the volume is somebody else's.
    """
    if len(key) != KEY_LENGTH:
        message = f"an installation key has {KEY_LENGTH} bytes"
        raise ValueError(message)
    name = volume_name(installation)
    labels = {INSTALLATION: installation, KIND: "installation", FINGERPRINT: _fingerprint(key, installation)}
    body = {"Name": name, "Labels": labels}
    if not _ours(make_volume(client, body, what="keep the installation's key"), installation):
        raise Conflict(f"volume {name} is not ours", hint="choose another installation id, or remove that volume")
    with filler.mounted(client, name, installation) as container_id:
        there = _read(client, container_id)
        if there is None:
            file = ContentFile(path=_FILE, mode=0o400, data=key)
            filler.write(client, container_id, archive((file,), None), name)
        elif there != key:
            raise Conflict(
                f"volume {name} keeps another key for installation {installation}",
                hint="use that one (recover it), or another installation id",
            )


def _read(client: EngineClient, container_id: str) -> bytes | None:
    """The key in the volume; None when there is none, or not a whole one."""
    try:
        key = filler.read(client, container_id, _FILE)
    except tarfile.TarError:
        return None
    return key if key is not None and len(key) == KEY_LENGTH else None


def _fingerprint(key: bytes, installation: str) -> str:
    return fingerprint(key, f"the key of installation {installation}")


def _ours(labels: Mapping[str, str], installation: str) -> bool:
    return labels.get(INSTALLATION) == installation and labels.get(KIND) == "installation"
