"""The world Git sees when we run it: nothing inherited but what is named here, and nothing that runs programs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Set on the command line, because that overrides a repository's own configuration.
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.askPass=",
    "core.gitProxy=",
    "core.alternateRefsCommand=",
    "core.pager=cat",
    "credential.helper=",
    "protocol.ext.allow=never",
    "safe.bareRepository=explicit",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "push.recurseSubmodules=no",
    "push.gpgSign=false",
    "log.showSignature=false",
    # A background gc would outlive its deadline and ours.
    "gc.autoDetach=false",
    "maintenance.autoDetach=false",
    # A redirect would carry the credential to a host that nobody named.
    "http.followRedirects=false",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=30",
    "fetch.fsckObjects=true",
    "transfer.fsckObjects=true",
    # Old and harmless: years of real histories have them.
    "fetch.fsck.zeroPaddedFilemode=ignore",
    "fetch.fsck.missingSpaceBeforeDate=ignore",
    "fetch.fsck.badTimezone=ignore",
    "fetch.fsck.multipleAuthors=ignore",
    "fetch.fsck.missingNameBeforeEmail=ignore",
    "fetch.fsck.gitmodulesMissing=ignore",
)

OPTIONS: tuple[str, ...] = ("--no-pager", *(part for setting in _SETTINGS for part in ("-c", setting)))

# What a network connection may need of ours; no TRIMTAB_*, no GIT_*, no cloud or forge tokens.
_NETWORK = (
    "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY",
    "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def reading_environment(git_dir: Path) -> dict[str, str]:
    """For reading objects of one repository: no protocol at all, so not even a partial clone can fetch."""
    return {
        **_base(),
        "GIT_DIR": str(git_dir),
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ALLOW_PROTOCOL": "none",
        "HOME": "/nonexistent",
    }


def network_environment(
    git_dir: Path, *, protocol: str, home: Path, extra: Mapping[str, str], agent: bool = False
) -> dict[str, str]:
    """For one operation over ``protocol``; ``home`` is a private directory with our ``gitconfig`` in it.

    ``agent`` passes the user's ssh agent on.
    """
    names = (*_NETWORK, "SSH_AUTH_SOCK") if agent else _NETWORK
    return {
        **_base(),
        **{name: os.environ[name] for name in names if name in os.environ},
        "GIT_DIR": str(git_dir),
        "GIT_CONFIG_GLOBAL": str(home / "gitconfig"),
        "GIT_ALLOW_PROTOCOL": protocol,
        # Also where curl would look for .netrc.
        "HOME": str(home),
        **extra,
    }


def _base() -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", _DEFAULT_PATH),
        "LC_ALL": "C",
        "LANGUAGE": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
        # refs/replace could show another content than the commit id promises.
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GCM_INTERACTIVE": "never",
        "SSH_ASKPASS_REQUIRE": "never",
    }
