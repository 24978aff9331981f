"""An archive put back into a volume that is new or empty, never over data, and compared with what was archived.

While it is written, a second, empty volume beside it says so, as with every copy: no sync takes a half for the whole.
It also says which archive, so that another try after a crash may begin anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from trimtab.backends.engine import archives, filler, volume_tree
from trimtab.backends.engine.archive_list import Archived, problem
from trimtab.backends.engine.client import EngineClient
from trimtab.backends.engine.errors import Missing
from trimtab.backends.engine.inventory import FILLING_SUFFIX
from trimtab.backends.engine.labels import INSTALLATION, KIND, PREFIX
from trimtab.backends.engine.volume_calls import make_volume
from trimtab.errors import Conflict, UserError
from trimtab.model.keys import ResourceKey

# On the sign of a restore: the archive's id.
RESTORES = PREFIX + "restores"
_NOTHING_CHANGED = "nothing was changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoring:
    """Puts archives back. ``identify`` says whether labels are an object's of ours; ``tell`` hears each step."""

    client: EngineClient
    installation: str
    identify: Callable[[Mapping[str, str], str], ResourceKey | None]
    tell: Callable[[str], None]

    def restore(self, one: Archived, volume: str) -> None:
        """Put ``one`` into ``volume``.

        Raises:
            UserError: the archive is not whole, or the volume holds something.
            Conflict: containers run with the volume, or what is there then is not what was archived.
        """
        self.tell(f"{one.id}: checks the archive")
        if trouble := problem(one):
            raise UserError(f"archive {one.id} is not whole: {trouble}", hint=_NOTHING_CHANGED)
        there = self._inspect(volume)
        body = _body(volume, there) if there is not None else self._new(one, volume)
        sign = self._inspect(volume + FILLING_SUFFIX)
        again = sign is not None and labels_of(sign).get(RESTORES) == one.id
        if sign is not None and there is not None and not again:
            raise Conflict(f"volume {volume} is being filled by a sync, or by another restore", hint=_NOTHING_CHANGED)
        if there is not None:
            archives.check_unused(self.client, volume, "restore into volume", running_only=not again)
            if not again:
                self._check_empty(volume)
        self._begin(volume, one)
        if again and there is not None:
            # What an earlier try left; the sign says that nobody was ever served from it.
            self._drop(volume)
        self._fill(one, volume, body, made=there is None or again)
        self._drop(volume + FILLING_SUFFIX)

    def _fill(self, one: Archived, volume: str, body: Mapping[str, object], *, made: bool) -> None:
        try:
            labels = make_volume(self.client, body, what="create volume")
            if dict(labels) != dict(labels_of(body)):
                made = False
                raise Conflict(f"volume {volume} was made by somebody else meanwhile", hint="try again")
            self._check_empty(volume)
            self._write(one, volume)
        except BaseException:
            if made:
                self._drop(volume)
                self._drop(volume + FILLING_SUFFIX)
            raise

    def _write(self, one: Archived, volume: str) -> None:
        self.tell(f"{volume}: writes {one.entries} entries, {one.size_bytes} bytes")
        with filler.mounted(self.client, volume, self.installation) as container_id:
            chunks = archives.checked(one.path / archives.TAR, one.sha256)
            volume_tree.write(self.client, container_id, chunks, volume)
            self.tell(f"{volume}: reads it again")
            with volume_tree.stream(self.client, container_id, volume) as written:
                facts = volume_tree.facts_of(written)
        if facts.digest != one.tree_digest:
            raise Conflict(
                f"restore into volume {volume}: {facts.entries} of {one.entries} entries, {facts.size_bytes} of"
                f" {one.size_bytes} bytes, or their owners or modes, are not as they were archived",
                hint="restore it again: it begins anew; something may have written to the volume meanwhile",
            )

    def _check_empty(self, volume: str) -> None:
        with (
            filler.mounted(self.client, volume, self.installation) as container_id,
            volume_tree.stream(self.client, container_id, volume) as chunks,
        ):
            facts = volume_tree.facts_of(chunks)
        if facts.entries:
            raise UserError(
                f"volume {volume} holds {facts.entries} entries, {facts.size_bytes} bytes: nothing is put over data",
                hint="restore into another one with --volume NAME, or remove this one yourself if it may go",
            )

    def _new(self, one: Archived, volume: str) -> Mapping[str, object]:
        """A volume as it was. Under another name, or of another installation, it is nobody's of ours."""
        labels = dict(one.labels)
        if volume != one.volume or self.identify(labels, volume) is None:
            labels = {name: value for name, value in labels.items() if not name.startswith(PREFIX)}
        if volume != one.volume:
            labels = {name: value for name, value in labels.items() if not name.startswith("com.docker.compose.")}
        return {"Name": volume, "Driver": one.driver, "DriverOpts": dict(one.options), "Labels": labels}

    def _begin(self, volume: str, one: Archived) -> None:
        labels = {INSTALLATION: self.installation, KIND: "filling", RESTORES: one.id}
        body = {"Name": volume + FILLING_SUFFIX, "Driver": "local", "Labels": labels}
        make_volume(self.client, body, what="create volume")

    def _inspect(self, volume: str) -> Mapping[str, object] | None:
        try:
            found: Mapping[str, object] = self.client.call(
                "GET", f"/volumes/{volume}", what="inspect volume", key=volume
            )
        except Missing:
            return None
        return found

    def _drop(self, volume: str) -> None:
        try:
            self.client.call("DELETE", f"/volumes/{volume}", what="remove volume", key=volume)
        except Missing:
            return


def labels_of(volume: Mapping[str, object]) -> Mapping[str, str]:
    """The labels of a volume, as the engine has it or as it is to be made."""
    found = volume.get("Labels")
    return found if isinstance(found, Mapping) else {}


def _body(volume: str, there: Mapping[str, object]) -> Mapping[str, object]:
    return {
        "Name": volume,
        "Driver": there.get("Driver") or "local",
        "DriverOpts": there.get("Options") or {},
        "Labels": there.get("Labels") or {},
    }
