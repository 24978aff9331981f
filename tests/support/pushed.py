"""Images put into a registry without an engine: the base image's own layers, and a small one that tells them apart.

Source: OCI distribution specification, "Pushing blobs" and "Pushing manifests"; Docker image manifest v2, schema 2.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field

import docker

from tests.support.engine import BASE_IMAGE

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


@dataclass(slots=True)
class Pushed:
    """One repository of a registry. ``address`` is where it is pushed to, which need not be where it is pulled from."""

    address: str
    name: str
    base: tuple[bytes, ...]
    digests: dict[str, str] = field(default_factory=dict)

    @classmethod
    def create(cls, api: docker.APIClient, address: str, name: str) -> Pushed:
        """A repository whose images are the base image of ``api`` with something more."""
        with tarfile.open(fileobj=io.BytesIO(b"".join(api.get_image(BASE_IMAGE)))) as saved:
            manifest = json.loads(_read(saved, "manifest.json"))[0]
            layers = [_read(saved, layer) for layer in manifest["Layers"]]
        return cls(address, name, tuple(layers))

    def push(self, tag: str, environment: Mapping[str, str], extra: bytes = b"") -> str:
        """An image with these variables and a file of ``extra``, under that tag; its digest."""
        layers = [*self.base, _archive({"extra": extra or tag.encode()})]
        packed = [gzip.compress(layer, compresslevel=1, mtime=0) for layer in layers]
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Env": ["PATH=/bin", *(f"{name}={value}" for name, value in environment.items())]},
                "rootfs": {"type": "layers", "diff_ids": [_digest(layer) for layer in layers]},
                "history": [{"created_by": "a test"} for _ in layers],
            }
        ).encode()
        for blob in (config, *packed):
            self._blob(blob)
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": _MANIFEST,
                "config": {"mediaType": _CONFIG, "size": len(config), "digest": _digest(config)},
                "layers": [{"mediaType": _LAYER, "size": len(blob), "digest": _digest(blob)} for blob in packed],
            }
        ).encode()
        self._send("PUT", f"/v2/{self.name}/manifests/{tag}", manifest, _MANIFEST)
        self.digests[tag] = _digest(manifest)
        return self.digests[tag]

    def _blob(self, blob: bytes) -> None:
        place = self._send("POST", f"/v2/{self.name}/blobs/uploads/", b"", "application/octet-stream")
        joint = "&" if "?" in place else "?"
        self._send("PUT", f"{place}{joint}digest={_digest(blob)}", blob, "application/octet-stream")

    def _send(self, method: str, path: str, body: bytes, content_type: str) -> str:
        url = path if path.startswith("http") else f"http://{self.address}{path}"
        asked = urllib.request.Request(url, data=body, method=method, headers={"Content-Type": content_type})
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return str(answer.headers.get("Location") or "")


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    found = archive.extractfile(name)
    assert found is not None, name
    return found.read()


def _archive(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()
