"""One watched repository: how it is read, what was last read from it, and older commits that are held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trimtab.errors import TrimtabError
from trimtab.manifest.load import LoadCache, LoadResult, load
from trimtab.model.application import Application, SourceRef
from trimtab.model.keys import AppKey
from trimtab.model.snapshot import Snapshot
from trimtab.ports import Source
from trimtab.runtime.views import View

# Older revisions that are held by rollbacks and pins; applications of one repository rarely hold more.
KEPT_OLDER = 4


@dataclass(slots=True, kw_only=True)
class Repository:
    """One watched repository and what was last read from it."""

    source: Source
    path: str = ""
    default_name: str = "app"
    excludes: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    target_revision: str = ""
    cache: LoadCache = field(default_factory=LoadCache)
    snapshot: Snapshot | None = None
    result: LoadResult | None = None
    trouble: TrimtabError | None = None
    older: dict[str, tuple[Snapshot, LoadResult]] = field(default_factory=dict)
    views: dict[AppKey, View] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """What identifies it in facts: address and path."""
        return f"{self.source.url}#{self.path}"

    def read(self, snapshot: Snapshot) -> LoadResult:
        """All that a commit says, which is from now on the last that was read.

        Raises:
            TrimtabError: the tree cannot be read now; what was read before stays.
        """
        result = self._load(snapshot, self.cache)
        self.snapshot, self.result = snapshot, result
        return result

    def at(self, revision: str) -> tuple[Snapshot, LoadResult]:
        """What an older commit said; the same objects for as long as it is held, so that nothing is rendered twice.

        Raises:
            TrimtabError: the revision cannot be read.
        """
        if (held := self.older.get(revision)) is not None:
            return held
        snapshot = self.source.snapshot(revision)
        # A cache of its own: what was accepted then is not refused for what others have now.
        read = (snapshot, self._load(snapshot, None))
        while len(self.older) >= KEPT_OLDER:
            del self.older[next(iter(self.older))]
        self.older[revision] = read
        return read

    def _load(self, snapshot: Snapshot, cache: LoadCache | None) -> LoadResult:
        return load(
            snapshot.tree,
            path=self.path,
            default_name=self.default_name,
            environment=self.environment,
            excludes=self.excludes,
            cache=cache,
            here=SourceRef(repo_url=self.source.url, target_revision=self.target_revision),
            # Checked against those of all repositories, and against what runs.
            alone=False,
        )


def good_view(app: Application, snapshot: Snapshot, result: LoadResult) -> View:
    """An application as a commit has it, with what there is to say about the files that it was made from."""
    trace = result.traces.get(app.key)
    files = trace.facts if trace is not None else {app.origin.path: None}
    about = tuple(d for d in result.diagnostics if d.origin.path in files)
    return View(key=app.key, revision=snapshot.revision, application=app, snapshot=snapshot, diagnostics=about)
