"""The one table of manifest diagnostics: code, one-line meaning; docs/reference/errors.md is made from it.

Ranges: TT1001-1199 YAML, files, interpolation, merging, extends, include; TT1200-1499 compose
attributes and references; TT1500-1799 our kinds, discovery, patches, across applications.
A code, once released, keeps its meaning; codes are never reused.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Code(StrEnum):
    """A diagnostic's code, and in ``meaning`` what it says in one line."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        """The member for ``value``, with its meaning attached."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    # --- YAML
    FILE_TOO_LARGE = "TT1001", "a file is larger than what is read"
    NOT_UTF8 = "TT1002", "a file is not UTF-8 text"
    YAML_SYNTAX = "TT1003", "a file is not well-formed YAML"
    DUPLICATE_KEY = "TT1004", "a mapping has the same key twice"
    KEY_NOT_STRING = "TT1005", "a mapping's key is not a string"
    UNKNOWN_TAG = "TT1006", "a YAML tag that is not supported"
    TOO_DEEP = "TT1007", "a file nests deeper than what is read"
    TOO_MANY_NODES = "TT1008", "a file expands to more values than what is read"
    BAD_ALIAS = "TT1009", "an alias names no anchor, or its own"
    BAD_MERGE_KEY = "TT1010", "a merge key's value is not a mapping"
    BAD_SCALAR = "TT1011", "a value does not fit its tag, or has no JSON form"

    # --- files
    FILE_NOT_FOUND = "TT1020", "a file that is needed is not in the repository"
    NOT_A_FILE = "TT1021", "a path names something that is not a regular file"
    PATH_ESCAPES = "TT1022", "a path, or a symbolic link on it, leaves the repository"
    REMOTE_RESOURCE = "TT1023", "a remote resource where only files of the repository are read"
    EMPTY_COMPOSE_FILE = "TT1024", "a compose file has no content"
    NOT_A_MAPPING = "TT1025", "a compose file's top level, or a section, is not a mapping"
    ENV_FILE_SYNTAX = "TT1026", "an env file has a line that cannot be read"
    ENV_FILE_FORMAT = "TT1027", "an env file's format is not known"
    LABEL_FILE_SYNTAX = "TT1028", "a label file has a line that cannot be read"

    # --- interpolation
    VARIABLE_NOT_SET = "TT1040", "a variable is not set; it became an empty string"
    REQUIRED_VARIABLE = "TT1041", "a required variable is not set or empty"
    BAD_TEMPLATE = "TT1042", "a '$' that is not a valid variable expression"

    # --- merge, extends, include, profiles
    CANNOT_MERGE = "TT1060", "two values of different shapes cannot be merged"
    EXTENDS_NOT_FOUND = "TT1070", "an extended service or its file does not exist"
    EXTENDS_CYCLE = "TT1071", "services extend each other in a circle"
    BAD_EXTENDS = "TT1072", "an `extends` that is not a service name or a mapping with `service`"
    INCLUDE_CYCLE = "TT1080", "files include each other in a circle"
    BAD_INCLUDE = "TT1081", "an `include` entry that cannot be understood"
    INCLUDE_CONFLICT = "TT1082", "an included resource has the name of another, different one"
    PROFILE_DISABLED = "TT1090", "an enabled service needs one whose profiles are not enabled"
    PROJECT_NAME_IGNORED = "TT1091", "a compose file's `name` is not the application's name"
    VERSION_OBSOLETE = "TT1092", "the obsolete attribute `version` has no effect"
