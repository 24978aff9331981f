"""Every code that a message can carry, with its meaning: from the tables in the code, else from here."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import trimtab
from trimtab.backends.engine.render.support import NOTED, REFUSED
from trimtab.errors import TransientError, TrimtabError, UserError, WaitingError
from trimtab.images.codes import BuildCode
from trimtab.manifest.codes import Code

_CODE = re.compile(r"[\"'](TT\d{4})[\"']")
PACKAGE = Path(trimtab.__file__).parent

# Codes that stand beside the sentence that they are given with, somewhere in the code; a test compares this with there.
ELSEWHERE: Mapping[str, str] = {
    "TT2110": "a mount of a type that a plain engine does not have",
    "TT2111": "SELinux relabelling of a bind mount is not carried out",
    "TT2112": "a mounted path, or a symbolic link in it, leads out of the repository",
    "TT2113": "a relative bind mount of something that is not in the repository",
    "TT2114": "a file of the repository is mounted read-only although the file does not say so",
    "TT2115": "an external config or secret: a plain engine has no store of them",
    "TT2116": "a config or secret takes its value from a variable that is not set",
    "TT2117": "a config or secret is a file outside the repository",
    "TT2118": "a config's or secret's file is not in the repository",
    "TT2133": "a value of `update_config` or `rollback_config` that Swarm does not know",
    "TT2134": "a rollout setting that cannot be carried out for this service, with the reason",
    "TT2140": "a service has neither an image nor a build section",
    "TT2142": "another destination than `local` is understood and not carried out by this version",
    "TT2144": "a project is named, and there are no projects with rules yet",
    "TT2150": "a hook or job has a fixed name, several replicas, or a restart policy that never lets it end",
    "TT2151": "something refers to a hook or job that does not run before it, or not permanently",
    "TT3010": "a name is taken by an object that is not ours",
    "TT3011": "an external network or volume is not on the engine",
    "TT3012": "an image is not on the engine, and `pull_policy: never` forbids to fetch it",
    "TT3013": "a port of the host that is to be published is held by a container that stays",
    "TT3014": "a network's subnet overlaps with that of another network",
    "TT3015": "a path of the host that is to be mounted does not exist, and is not to be made",
    "TT3016": "too little space is free on the engine's disk to build or pull an image",
    "TT3030": "a `moved` volume's data cannot be taken over now, so nothing is changed",
    "TT3031": "a volume's definition differs from Git's; it is left as it is, for a person to decide",
    "TT3032": "the service that runs this controller is no longer in Git; nothing of its application is changed",
    "TT3201": "held: every container of an application would be removed, since Git asks for none",
    "TT3202": "held: more than half of an application's objects, and more than 3, would be removed",
    "TT3203": "held: data would be lost",
    "TT3205": "held: an application is gone from Git, and a new one with the same services appears: a rename?",
    "TT3204": "held: a container would go from a volume with data to a new, empty one",
    "TT3206": "held: a service is promoted by hand, and its new containers cannot be prepared beside the old ones",
    "TT3207": "held: new containers run well beside those that serve, and wait for promotion",
    "TT3208": "held: a new container that waits for promotion does not run well any more",
    "TT3209": "held: more than half of a repository's applications, and more than 3, are gone from Git at once",
    "TT4120": "a build uses what only BuildKit has, and `docker buildx` is not there",
    "TT4121": "a build uses a limit that the BuildKit of this engine ignores",
    "TT4201": "an image may not be pulled: the registry wants a login, or another one",
    "TT4202": "an image does not exist",
    "TT4203": "a `pull_policy` that is not known",
    "TT6700": "the database in the data directory cannot be used now",
}


def used() -> frozenset[str]:
    """Every code that is written anywhere in the package."""
    return frozenset(code for file in PACKAGE.rglob("*.py") for code in _CODE.findall(file.read_text(encoding="utf-8")))


def _errors() -> Iterator[type[TrimtabError]]:
    for module in pkgutil.walk_packages(trimtab.__path__, "trimtab."):
        if module.name.rpartition(".")[2] == "errors":
            importlib.import_module(module.name)
    waiting = [TrimtabError]
    while waiting:
        error = waiting.pop()
        if "default_code" in vars(error):
            yield error
        waiting += error.__subclasses__()


def _class_of(error: type[TrimtabError]) -> str:
    for base, then in ((UserError, "stalls"), (WaitingError, "waits"), (TransientError, "retries")):
        if issubclass(error, base):
            return then
    return "reported"


def errors() -> Mapping[str, tuple[str, str, str]]:
    """Of each kind of failure by code: its name, what the controller does next, its meaning."""
    found = {}
    for error in _errors():
        meaning = (error.__doc__ or "").splitlines()[0].rstrip(".").replace("``", "`")
        found[error.default_code] = (error.__name__, _class_of(error), meaning)
    return found


def rendering() -> Mapping[str, tuple[str, str]]:
    """Of each attribute that a plain engine cannot carry out: severity and meaning."""
    found = {code: ("error", f"`{'.'.join(path)}`: {why}; {hint}") for path, (code, why, hint) in REFUSED.items()}
    return found | {code: ("info", f"`{'.'.join(path)}`: {why}") for path, (code, why) in NOTED.items()}


def meanings() -> Mapping[str, str]:
    """Every code and its meaning."""
    return {
        **{code.value: code.meaning for code in Code},
        **{code.value: code.meaning for code in BuildCode},
        **{code: meaning for code, (_, _, meaning) in errors().items()},
        **{code: meaning for code, (_, meaning) in rendering().items()},
        **ELSEWHERE,
    }
