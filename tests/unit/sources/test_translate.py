from __future__ import annotations

import pytest

from trimtab.errors import GitUnavailable
from trimtab.sources.command import Completed, GitFailed
from trimtab.sources.errors import MalformedObject
from trimtab.sources.translate import means_damage, translated

SAID = [
    ("fatal: Authentication failed for 'https://host/x'", "credential"),
    ("fatal: could not read Username for 'https://host': terminal prompts disabled", "credential"),
    ("git@host: Permission denied (publickey).\nfatal: Could not read from remote repository.", "credential"),
    ("fatal: unable to access 'https://host/x': The requested URL returned error: 403", "credential"),
    ("Host key verification failed.\nfatal: Could not read from remote repository.", "host key"),
    ("remote: Repository not found.\nfatal: repository 'https://host/x' not found", "no repository"),
    ("fatal: '/x' does not appear to be a git repository", "no repository"),
    ("fatal: unable to access 'https://h/x': Could not resolve host: h", "name cannot be resolved"),
    ("fatal: unable to access 'https://h/': server certificate verification failed", "certificate"),
    ("fatal: unable to access 'https://h/': Failed to connect to h port 1: Connection refused", "connection failed"),
    ("fatal: unable to access 'https://h/x': The requested URL returned error: 301", "another address"),
    ("fatal: something nobody has seen before", "something nobody has seen before"),
]


@pytest.mark.parametrize(("stderr", "words"), SAID)
def test_a_failure_is_told_in_words_with_a_hint(stderr: str, words: str) -> None:
    failure = GitFailed("fetch", Completed(128, b"", stderr))
    error = translated(failure, "https://host/x")
    assert isinstance(error, GitUnavailable)
    assert words in str(error)
    assert error.hint
    assert not means_damage(failure)


def test_what_the_check_refuses_is_not_tried_again() -> None:
    failure = GitFailed(
        "fetch", Completed(128, b"", "error: object 1f: hasDotdot: contains '..'\nfatal: fsck error in packed object")
    )
    assert isinstance(translated(failure, "x"), MalformedObject)
    assert not means_damage(failure)


@pytest.mark.parametrize(
    "stderr",
    [
        "fatal: not a git repository: '/data/x.git'",
        "error: object file objects/12/34 is empty",
        "fatal: loose object 12 (stored in ./objects/12/34) is corrupt",
        "fatal: bad object refs/heads/main",
        "fatal: mismatched algorithms: client sha1; server sha256",
    ],
)
def test_damage_of_our_own_copy_is_recognised(stderr: str) -> None:
    assert means_damage(GitFailed("fetch", Completed(128, b"", stderr)))
