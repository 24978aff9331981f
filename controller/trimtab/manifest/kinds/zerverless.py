"""The ``Application`` of ``zerverless.io/v1``, read as it stands.

Its functions and static files need something that answers HTTP requests, which Trimtab does not
have; each is refused by name. What is left is a source: a repository, a branch and a directory.
Source: the zerverless project's GitOps documents (zerverless.yaml).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AliasChoices, Field

from trimtab.manifest.kinds.base import Document, Metadata, RepoUrl, RootPath

ZERVERLESS_GROUP = "zerverless.io"
ZERVERLESS_VERSION = f"{ZERVERLESS_GROUP}/v1"


class ZerverlessSource(Document):
    """Where the files are; ``subdir`` is zerverless' word for ``path``."""

    repo_url: RepoUrl | None = Field(None, alias="repoURL")
    branch: str = ""
    path: Annotated[RootPath, Field(validation_alias=AliasChoices("path", "subdir"))] = ""


class ZerverlessFunction(Document):
    """Something that runs once for each HTTP request."""

    path: str
    runtime: str
    code: str | None = None
    code_file: str | None = None
    dockerfile: str | None = None
    context: str | None = None


class ZerverlessStatic(Document):
    """Files that are served as they are."""

    dir: str


class ZerverlessSpec(Document):
    """What zerverless deploys."""

    source: ZerverlessSource = ZerverlessSource()
    functions: tuple[ZerverlessFunction, ...] = ()
    static: ZerverlessStatic | None = None


class ZerverlessManifest(Document):
    """One application of zerverless."""

    api_version: Literal["zerverless.io/v1"]
    kind: Literal["Application"]
    metadata: Metadata
    spec: ZerverlessSpec = ZerverlessSpec()
