"""How much of a repository, and for how long, we are willing to handle."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class GitLimits:
    """Quotas and deadlines of one source; the defaults suit a large monorepo on a slow line."""

    mirror_bytes: int = 4096 * MIB
    blob_bytes: int = 512 * MIB
    tree_entries: int = 500_000
    output_bytes: int = 64 * MIB
    poll_timeout_s: float = 30.0
    fetch_timeout_s: float = 300.0
    push_timeout_s: float = 60.0
    local_timeout_s: float = 30.0
