"""The table of diagnostics about ``build``: code and one-line meaning; TT4100-4199. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class BuildCode(StrEnum):
    """A diagnostic's code, and in ``meaning`` what it says in one line; a released code keeps its meaning."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        """The member for ``value``, with its meaning attached."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    BAD_ATTRIBUTE = "TT4101", "an attribute of a build has a value that cannot be used"
    UNKNOWN_ATTRIBUTE = "TT4102", "an attribute of a build that is not known"
    REMOTE_CONTEXT = "TT4103", "a build context that is not a directory of the repository"
    PATH_ESCAPES = "TT4104", "a path of a build, or a symbolic link on it, leaves the repository"
    NOT_FOUND = "TT4105", "a context, Dockerfile or secret that is not in the repository"
    SUBMODULE = "TT4106", "a build context in, or with, a Git submodule"
    BAD_DOCKERIGNORE = "TT4107", "a .dockerignore with a line that is no pattern"
    TOO_LARGE = "TT4108", "a Dockerfile or .dockerignore that is larger than what is read"
    EXTRA_RIGHTS = "TT4109", "a build that asks for more rights than builds are given"
    FRONTEND = "TT4110", "a Dockerfile that brings its own frontend"
    UNSUPPORTED = "TT4111", "an attribute of a build that is not supported"
    SECRET_IN_ARGS = "TT4112", "a build argument that looks like a secret"
    PLATFORM = "TT4113", "a service's platform that its build does not list"
    UNSET_VARIABLE = "TT4115", "a build secret whose variable is not set"
    LFS_POINTER = "TT4114", "a Dockerfile that is a Git LFS pointer"
