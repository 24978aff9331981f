"""What a ``targetRevision`` means: pure text in, names to look up out; nothing here talks to Git."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trimtab.sources.errors import InvalidRef

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import semantic_version

HEAD = "HEAD"
HEADS = "refs/heads/"
TAGS = "refs/tags/"
REMOTES = "refs/remotes/"
# Git's own ids: SHA-1 and SHA-256 in hexadecimal.
_FULL_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# Seven digits are what Git itself prints; fewer would be a name more often than an id.
_SHORT_ID = re.compile(r"[0-9a-f]{7,63}")
_LONGEST = 255
# Source: git-check-ref-format(1), narrowed: no quotes, '$', ';', '&', '|', '<', '>', '!', '(' or ')'.
_NAME = re.compile(r"[0-9A-Za-z_.+@#%=,][0-9A-Za-z_.+@#%=,/-]*|[^\W_][\w.+@#%=,/-]*")
# Source: gitrevisions(7); with nothing before them, '~' and '^' begin a semver range.
_STEPPED = re.compile(r"(?P<name>[^~^]+)(?P<steps>(?:~[0-9]{0,6}|\^[0-9]{0,3}|\^\{(?:commit)?\})+)")
_LONGEST_STEPS = 60
_RANGE = re.compile(r"(?=.*[0-9*])[0-9A-Za-z.*+~^<>=|, -]+")


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed target revision; what it is can depend on which names exist, so several may be set.

    Looked up in this order: full commit id, full ref name, branch, tag, a remote's branch as a local repository saw it
    last, semver range over tags, short commit id.
    """

    text: str
    ref_names: tuple[str, ...] = ()
    semver: semantic_version.NpmSpec | semantic_version.Version | None = None
    commit: str = ""

    @property
    def is_full_commit(self) -> bool:
        """Whether no repository need be asked."""
        return is_full_id(self.commit)


@dataclass(frozen=True, slots=True)
class Found:
    """Where a target points: a full ref name ("" for a bare commit id) and the commit's id."""

    ref: str
    oid: str

    @property
    def is_branch(self) -> bool:
        """Whether the ref should only ever move forward."""
        return self.ref == HEAD or self.ref.startswith((HEADS, REMOTES))


def is_full_id(text: str) -> bool:
    """Whether ``text`` is a whole commit id, lower case."""
    return _FULL_ID.fullmatch(text) is not None


def is_ref_name(text: str) -> bool:
    """Whether ``text`` is a ref name (or the short form of one) that is safe on any command line."""
    return (
        0 < len(text) <= _LONGEST
        and _NAME.fullmatch(text) is not None
        and ".." not in text
        and "@{" not in text
        and "//" not in text
        and text != "@"
        and not text.endswith(("/", ".", ".lock"))
        and not any(part.startswith(".") or part.endswith(".lock") for part in text.split("/"))
    )


def parse_target(text: str) -> Target:
    """Read a target revision; "" and "HEAD" are the repository's default branch.

    Raises:
        InvalidRef: it can be none of branch, tag, semver range and commit.
    """
    if text in ("", HEAD):
        return Target(text or HEAD, ref_names=(HEAD,))
    if is_full_id(text.lower()):
        return Target(text, commit=text.lower())
    semver = _semver_range(text)
    if not is_ref_name(text):
        if semver is not None:
            return Target(text, semver=semver)
        shown = text if text.isprintable() else ascii(text)
        raise InvalidRef(
            f"'{shown[:80]}' is not a target revision",
            hint="write a branch, a tag, a semver range such as '^1.2' or '>=1.0.0 <2', or a commit id",
        )
    if text.startswith("refs/"):
        return Target(text, ref_names=(text,))
    commit = text.lower() if _SHORT_ID.fullmatch(text.lower()) else ""
    return Target(text, ref_names=(HEADS + text, TAGS + text, REMOTES + text), semver=semver, commit=commit)


@dataclass(frozen=True, slots=True)
class Expression:
    """A commit as seen from a target: ``steps`` are Git's own ("~2", "^", "^2~1"), to be asked after a full id."""

    target: Target
    steps: str = ""


def parse_expression(text: str) -> Expression:
    """Read what names one commit to look at: a target revision, or one with steps back (HEAD~1, main^2, v1.4^{}).

    What Git takes from a work tree's own memory (main@{1}, @{upstream}) or searches for (:/text) is not read.

    Raises:
        InvalidRef: it is neither.
    """
    found = _STEPPED.fullmatch(text)
    name, steps = (found["name"], found["steps"]) if found is not None else (text, "")
    if len(steps) > _LONGEST_STEPS:
        raise InvalidRef(f"'{text[:80]}' takes too many steps back", hint="give the commit's id")
    return Expression(parse_target(HEAD if name == "@" else name), steps)


def resolve(target: Target, lookup: Callable[[str], str | None], tags: Callable[[], Mapping[str, str]]) -> Found | None:
    """Where ``target`` points. ``lookup`` maps a full ref name to a commit id; ``tags`` maps short names to ids.

    ``tags`` is only called for a semver range that is not also a name. A short commit id is returned as it is.
    """
    if target.is_full_commit:
        return Found("", target.commit)
    for name in target.ref_names:
        if oid := lookup(name):
            return Found(name, oid)
    if target.semver is not None and (best := best_tag(target.semver, tags())) is not None:
        return Found(TAGS + best[0], best[1])
    return Found("", target.commit) if target.commit else None


def best_tag(
    semver: semantic_version.NpmSpec | semantic_version.Version, tags: Mapping[str, str]
) -> tuple[str, str] | None:
    """The tag of the highest version in the range; of two spellings of one version the plainer name wins."""
    import semantic_version

    versions = []
    for name, oid in tags.items():
        try:
            version = semantic_version.Version(name.removeprefix("v"))
        except ValueError:
            continue
        if version == semver if isinstance(semver, semantic_version.Version) else version in semver:
            versions.append((version.precedence_key, -len(name), name, oid))
    if not versions:
        return None
    _, _, name, oid = max(versions)
    return name, oid


def _semver_range(text: str) -> semantic_version.NpmSpec | semantic_version.Version | None:
    if len(text) > _LONGEST or text.startswith("-") or _RANGE.fullmatch(text) is None:
        return None
    # Imported for what may be a version only: few targets are, and it takes a while.
    import semantic_version

    try:
        # The library reads "2.0.0-rc.1" as a range that also has 2.0.0 in it; one version is that version.
        return semantic_version.Version(text.removeprefix("=").removeprefix("v"))
    except ValueError:
        pass
    try:
        # Flux and Helm also write ">=1.0.0, <2".
        return semantic_version.NpmSpec(re.sub(r"\s*,\s*", " ", text.strip()))
    except ValueError:
        return None
