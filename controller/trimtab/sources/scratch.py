"""A throw-away repository beside a local one: new objects are written here, never with the local one's settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trimtab.sources.command import GitCommand
from trimtab.sources.credentials import Credential, CredentialFiles
from trimtab.sources.environment import network_environment
from trimtab.sources.limits import GitLimits
from trimtab.sources.local import LocalRepository
from trimtab.sources.objects import ObjectStore
from trimtab.sources.refs import HEAD, Target
from trimtab.sources.revert import Workshop
from trimtab.sources.urls import RepositoryUrl

_SHA256_DIGITS = 64


@contextmanager
def scratch(
    local: LocalRepository, url: RepositoryUrl, directory: Path, limits: GitLimits
) -> Iterator[tuple[Workshop, GitCommand]]:
    """An empty repository that borrows the local one's objects, and a command that can push from it."""
    root = Path(url.path).expanduser().absolute()
    # Pushing to a directory is the one operation in which Git asks who owns it; these are the ones that were named.
    owned = (root, root / ".git", local.git_dir.path, local.git_dir.common)
    files = CredentialFiles(url, Credential(), directory / "run", safe_directories=owned)
    path = files.directory / "scratch.git"
    environment = network_environment(path, protocol="file", home=files.directory, extra={})
    command = GitCommand(environment, output_bytes=limits.output_bytes)
    store = ObjectStore(environment, limits)
    try:
        head = local.find(Target(HEAD, ref_names=(HEAD,)))
        object_format = "sha256" if head is not None and len(head.oid) == _SHA256_DIGITS else "sha1"
        command.run(
            "init", "--bare", "--quiet", "--template=", f"--object-format={object_format}", str(path),
            timeout_s=limits.local_timeout_s,
        )  # fmt: skip
        info = path / "objects" / "info"
        info.mkdir(exist_ok=True)
        (info / "alternates").write_text(f"{local.git_dir.objects}\n", encoding="utf-8", errors="surrogateescape")
        yield Workshop(command, store, limits), command
    finally:
        command.close()
        store.close()
        files.close()
