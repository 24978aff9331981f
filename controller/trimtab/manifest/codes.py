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
    ENV_FILE_SYNTAX = "TT1026", "an env or label file has a line that cannot be read"
    ENV_FILE_FORMAT = "TT1027", "an env file's format is not known"

    # --- interpolation
    VARIABLE_NOT_SET = "TT1040", "a variable is not set; it became an empty string"
    REQUIRED_VARIABLE = "TT1041", "a required variable is not set or empty"
    BAD_TEMPLATE = "TT1042", "a '$' that is not a valid variable expression"

    # --- merge, extends, include, profiles
    CANNOT_MERGE = "TT1060", "two values of different shapes, or a merge tag, cannot be merged"
    REPEATED_ENTRY = "TT1061", "a list has two different entries for the same thing; the last counts"
    EXTENDS_NOT_FOUND = "TT1070", "an extended service or its file does not exist"
    EXTENDS_CYCLE = "TT1071", "services extend each other in a circle"
    INCLUDE_CYCLE = "TT1080", "files include each other in a circle"
    BAD_INCLUDE = "TT1081", "an `include` entry that cannot be understood"
    INCLUDE_CONFLICT = "TT1082", "an included resource has the name of another, different one"
    PROFILE_DISABLED = "TT1090", "an enabled service needs one whose profiles are not enabled"
    PROJECT_NAME_IGNORED = "TT1091", "a compose file's `name` is not the application's name"
    VERSION_OBSOLETE = "TT1092", "the obsolete attribute `version` has no effect"
    UNUSED_RESOURCE = "TT1093", "a network, volume, config or secret that no service uses"
    NO_SERVICES = "TT1094", "no service is enabled"
    NO_EFFECT = "TT1095", "something that has no effect where it stands"

    # --- compose attributes: shape and value
    WRONG_TYPE = "TT1201", "a value is of another kind than its attribute takes"
    WRONG_VALUE = "TT1202", "a value is not one of those its attribute takes"
    UNKNOWN_ATTRIBUTE = "TT1203", "an attribute that the Compose Specification does not have"
    OUT_OF_RANGE = "TT1204", "a number is smaller or larger than its attribute takes"
    MISSING_ATTRIBUTE = "TT1205", "a mapping lacks an attribute it must have"
    DUPLICATE_ITEM = "TT1206", "a list names the same thing twice"
    BAD_NAME = "TT1207", "a name has characters that names of its kind may not have"
    DEPRECATED = "TT1208", "an attribute, or a way to write it, that is deprecated"
    BAD_NUMBER = "TT1210", "a text that should be a number is none"
    BAD_BOOLEAN = "TT1211", "a text that should be true or false is neither"
    BAD_DURATION = "TT1212", "a duration cannot be read"
    BAD_SIZE = "TT1213", "a size in bytes cannot be read"
    BAD_PORT = "TT1214", "a port, a range of ports or its address cannot be read"
    BAD_MOUNT = "TT1215", "a volume in short form cannot be read"
    BAD_DEVICE = "TT1216", "a device in short form cannot be read"
    BAD_COMMAND = "TT1217", "a command line cannot be split into words"
    BAD_HOST = "TT1218", "an additional host is not a name and an address"
    BAD_KEY_VALUE = "TT1219", "a list item is not KEY=VALUE"
    BAD_FILE_MODE = "TT1220", "a file mode is not an octal number"
    BAD_ADDRESS = "TT1221", "an IP address or a network cannot be read"

    # --- compose attributes: together
    NO_IMAGE = "TT1230", "a service has neither an image nor a build"
    EXCLUSIVE = "TT1231", "two attributes exclude each other"
    CONFLICTING_VALUES = "TT1232", "two attributes mean the same and differ"
    DUPLICATE_MOUNT = "TT1233", "two mounts of a service have the same target"
    PORT_CLASH = "TT1234", "a host port is published twice inside one application"
    DUPLICATE_CONTAINER_NAME = "TT1235", "two services have the same container_name"
    NOT_SCALABLE = "TT1236", "a service with several replicas has something only one container can have"
    CONTENT_SOURCE = "TT1237", "a config or secret has no source of its content, or several"
    EXTERNAL_CONFLICT = "TT1238", "an external resource has attributes that would create it"

    # --- compose references
    UNKNOWN_SERVICE = "TT1240", "a service that is referred to does not exist"
    UNKNOWN_NETWORK = "TT1241", "a network that is referred to does not exist"
    UNKNOWN_VOLUME = "TT1242", "a volume that is referred to does not exist"
    UNKNOWN_CONFIG = "TT1243", "a config that is referred to does not exist"
    UNKNOWN_SECRET = "TT1244", "a secret that is referred to does not exist"
    UNKNOWN_MODEL = "TT1245", "a model that is referred to does not exist"
    NOT_BUILDABLE = "TT1246", "a build context names a service that is not built"
    DEPENDENCY_CYCLE = "TT1250", "services depend on each other in a circle"

    # --- our kinds
    UNKNOWN_API_VERSION = "TT1500", "a document of our group has a version that is not known"
    UNKNOWN_KIND = "TT1501", "a document of our group has a kind that is not known"
    UNKNOWN_FIELD = "TT1502", "a document has a field that its kind does not have"
    MISSING_FIELD = "TT1503", "a document lacks a field that its kind requires"
    BAD_FIELD = "TT1504", "a field has a value that it cannot have"
    STATUS_IN_FILE = "TT1505", "a file has a `status`, which only the controller writes"
    UNSUPPORTED_FUNCTION = "TT1507", "functions and static files of a zerverless application are not run"
    NOTHING_TO_RUN = "TT1508", "an application has neither compose files nor services"
    BAD_MOVE = "TT1509", "a `moved` entry does not fit the application's objects"
    BAD_JOB = "TT1512", "a job names a service that the application does not have, or has twice"
    NO_ADDRESS = "TT1513", "a service cannot have the stable address that its rollout asks for"

    # --- discovery
    PATH_NOT_FOUND = "TT1520", "the path to load is not in the repository"
    DUPLICATE_APPLICATION = "TT1521", "two applications have the same name"
    SEVERAL_COMPOSE_FILES = "TT1522", "a directory has several default compose files; the first is used"
    BAD_APPLICATION_NAME = "TT1523", "no application name can be made from a directory's or a project's name"
    HELD_BY_UNREADABLE = "TT1524", "a compose file may belong to a manifest that cannot be read"
    LINK_NOT_FOLLOWED = "TT1525", "a symbolic link leads out of what is loaded"
    SUBMODULE_NOT_READ = "TT1526", "a submodule is not read"
    LFS_POINTER = "TT1527", "a manifest is kept in Git LFS and its content is not here"
    DUPLICATE_DESTINATION = "TT1528", "two destinations have the same name, or the built-in one's"

    # --- patches
    PATCH_TARGET = "TT1540", "a patch names an object that the application does not have"
    PATCH_FAILED = "TT1541", "an operation of a patch cannot be carried out"

    # --- across applications
    UNKNOWN_DEPENDENCY = "TT1600", "an application depends on one that does not exist"
    APPLICATION_CYCLE = "TT1601", "applications depend on each other in a circle"
    PORT_TAKEN = "TT1602", "another application publishes the same port"
    CONTAINER_NAME_TAKEN = "TT1603", "another application has a container of the same name"
    OBJECT_NAME_TAKEN = "TT1604", "another application makes a network or volume of the same name"
    PROJECT_TAKEN = "TT1605", "two applications name their objects with the same prefix"
    UNKNOWN_DESTINATION = "TT1606", "an application names a destination that does not exist"
    LATER_WAVE = "TT1607", "an application depends on one of a later wave, so neither could ever be begun"

    # --- us
    LOADER_DEFECT = "TT1799", "a defect of Trimtab stopped one application from being loaded"
