from __future__ import annotations

from collections.abc import Iterator

import pytest

from trimtab.sources.source import GitSource


@pytest.fixture(autouse=True)
def _every_source_is_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test opened is closed when it ends, also when it fails: else one failure shows as many."""
    opened: list[GitSource] = []
    start = GitSource.__init__

    def remember(self: GitSource, *arguments: object, **options: object) -> None:
        start(self, *arguments, **options)  # type: ignore[arg-type]
        opened.append(self)

    monkeypatch.setattr(GitSource, "__init__", remember)
    yield
    for source in opened:
        source.close()
