"""Writing and removing the volumes that say what was adopted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trimtab.backends.engine.adoptions import Adopted, read_record, record
from trimtab.backends.engine.errors import Missing
from trimtab.backends.engine.volume_calls import make_volume
from trimtab.errors import Conflict, TrimtabError
from trimtab.model.keys import AppKey, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trimtab.backends.engine.bench import Bench
    from trimtab.backends.engine.client import EngineClient


def write_record(
    client: EngineClient,
    app: AppKey,
    objects: Iterable[Adopted],
    *,
    installation: str,
    seal_key: bytes,
    revision: str = "",
) -> str:
    """Write down an adoption, wholly or not at all; the volume's name. The same one again is success.

    Raises:
        Conflict: a volume of that name is somebody else's.
    """
    name, labels = record(app, objects, installation=installation, seal_key=seal_key, revision=revision)
    body = {"Name": name, "Driver": "local", "Labels": labels}
    made = make_volume(client, body, what="write down the adoption")
    if not read_record(name, made, installation=installation, seal_key=seal_key):
        raise Conflict(f"volume {name} is not ours", hint="remove it, or choose another installation id")
    return name


def drop_spent(bench: Bench, kind: Kind, handle: str) -> None:
    """Remove the records that nothing is left of now that this object is gone.

    One that stays, after a crash or a refusal, speaks of what no longer is, and goes with the next removal.
    """
    for name in bench.cache.spent_records((kind, handle)):
        try:
            bench.client.call("DELETE", f"/volumes/{name}", what="remove a record of what was adopted", key=name)
        except Missing:
            pass
        except TrimtabError:
            continue
        bench.cache.touch(Kind.VOLUME, name)
