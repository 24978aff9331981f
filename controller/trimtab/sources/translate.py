"""What Git says when a remote fails, in our words: one place, by the few phrases that have been stable for years."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trimtab.errors import GitUnavailable, TrimtabError
from trimtab.sources.errors import MalformedObject

if TYPE_CHECKING:
    from trimtab.sources.command import GitFailed

_CAUSES: tuple[tuple[str, str, str], ...] = (
    (
        r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED",
        "its ssh host key is not the known one",
        "put the right key into the known_hosts file, after asking the host's owner",
    ),
    (
        (
            r"Authentication failed|could not read Username|could not read Password|Permission denied|HTTP Basic"
            r"|returned error: 40[13]|terminal prompts disabled|Invalid username"
        ),
        "it does not accept the credential, or wants one",
        "check user name, token or key, and what it may read",
    ),
    (
        r"unable to update url base from redirection|returned error: 30[1278]|redirect",
        "it redirects to another address",
        "write the new address; redirects are not followed, because they would take the credential along",
    ),
    (
        (
            r"[Rr]epository .*not found|does not appear to be a git repository|not a git repository"
            r"|returned error: 404|No such (file|project)|does not exist"
        ),
        "there is no repository at this address, or the credential may not see it",
        "check the address and the credential",
    ),
    (
        r"[Cc]ould not resolve host|Name or service not known|Temporary failure in name resolution",
        "its name cannot be resolved",
        "check the name and the network",
    ),
    (
        r"certificate|SSL|TLS",
        "its certificate is not accepted",
        "give the authority's certificate as ca_file",
    ),
    (
        (
            r"Connection refused|timed out|unreachable|reset by peer|Connection closed|early EOF|hung up"
            r"|Failed to connect|unexpected disconnect|Operation too slow"
        ),
        "the connection failed",
        "it is tried again; what runs is held meanwhile",
    ),
)  # fmt: skip
_DAMAGED = re.compile(
    r"not a git repository: '|bad object|object file .* is empty|corrupt|unable to read (sha1|tree|object)"
    r"|loose object .* \(stored in|inflate|invalid sha1 pointer|bad config|missing (blob|tree|commit) object"
    r"|packfile .* (cannot be|does not match)|index file .* (is too small|smaller)|unresolved deltas|bad signature"
    r"|Could not read [0-9a-f]{40}|did not send all necessary objects|unable to parse|mismatched algorithms"
)
_UNSOUND = re.compile(r"fsck error|error in object|error: object [0-9a-f]+: ")


def translated(failure: GitFailed, url: str) -> TrimtabError:
    """The error for a failed command that talked to ``url``."""
    said = failure.stderr.strip()
    last = " ".join(said.split())[-400:] or f"exit status {failure.completed.returncode}"
    if _UNSOUND.search(said):
        return MalformedObject(
            f"{url} has an object that Git's own check refuses: {last}",
            hint="find it with `git fsck` in that repository; nothing of this commit is used",
        )
    for pattern, cause, hint in _CAUSES:
        if re.search(pattern, said):
            return GitUnavailable(f"cannot read {url}: {cause} (git {failure.operation}: {last})", hint=hint)
    return GitUnavailable(f"cannot read {url}: git {failure.operation} failed: {last}", hint="it is tried again")


def means_damage(failure: GitFailed) -> bool:
    """Whether the failure is about our own copy, and making it anew would help."""
    return _DAMAGED.search(failure.stderr) is not None and _UNSOUND.search(failure.stderr) is None
