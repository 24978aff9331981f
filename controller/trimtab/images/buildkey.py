"""From a compose ``build`` and a tree to a ``BuildSpec`` with its key. Pure.

The key is the digest of all that changes the result: the context's content, the Dockerfile, target, arguments, platform
and so on; never a commit or a time. So an unrelated commit, and a revert, find the image already there. A secret counts
by its id, a cache by nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from trimtab.images import buildchecks, dockerignore, values
from trimtab.images.buildspec import BuildSecret, BuildSpec, Ulimit
from trimtab.images.codes import BuildCode
from trimtab.images.contextpaths import (
    Located,
    NotInTreeError,
    context_digest,
    directory,
    first_submodule,
    read_small_file,
)
from trimtab.images.reading import Reading
from trimtab.model.diagnostics import Diagnostic, Origin, Severity
from trimtab.model.snapshot import PathEscapesTree, Tree
from trimtab.plan.canonical import canonical_json

__all__ = ["BuildSecret", "BuildSpec", "Ulimit", "build_plan"]


# Changes when the same inputs would give another image: it then makes all keys new.
_KEY_FORMAT = 1

_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|git@|github\.com/", re.IGNORECASE)


def build_plan(
    tree: Tree,
    build: Mapping[str, object],
    *,
    origin: Origin,
    platform: str = "",
    secrets: Mapping[str, Mapping[str, object]] | None = None,
    variables: Mapping[str, str] | None = None,
    where: Callable[[str], Origin | None] | None = None,
    frontends: frozenset[str] = buildchecks.OFFICIAL_FRONTENDS,
) -> tuple[BuildSpec | None, tuple[Diagnostic, ...]]:
    """What to build, or None with the reasons.

    ``build`` is the long form that ``docker compose config`` prints, its context relative to the repository;
    ``platform`` is the service's, ``secrets`` the project's, ``variables`` what interpolation saw,
    ``where`` gives the place of a build attribute.
    """
    reading = Reading(tree, build, origin, where)
    buildchecks.refuse(reading)
    args = reading.value("args", values.mapping)
    buildchecks.check_args(reading, args, frontends)
    located = _locate(reading, frontends)
    spec_secrets = buildchecks.secrets(reading, secrets or {}, variables or {})
    if located is None:
        return None, tuple(reading.problems)
    spec = BuildSpec(
        key="",
        context_path=located.context_path,
        dockerfile=located.dockerfile,
        dockerfile_label=located.dockerfile_label,
        dockerfile_in_context=located.dockerfile_in_context,
        rules=located.rules,
        origin=origin,
        target=reading.value("target", values.text),
        args=args,
        platform=buildchecks.platform(reading, platform),
        labels=reading.value("labels", values.mapping),
        network=reading.value("network", values.text),
        shm_size_bytes=reading.value("shm_size", values.size_bytes),
        extra_hosts=reading.value("extra_hosts", values.hosts),
        ulimits=tuple(
            Ulimit(name=name, soft=soft, hard=hard) for name, soft, hard in reading.value("ulimits", values.limits)
        ),
        cache_from=reading.value("cache_from", values.texts),
        cache_to=reading.value("cache_to", values.texts),
        image_contexts=buildchecks.image_contexts(reading),
        secrets=spec_secrets,
        ssh=reading.value("ssh", values.texts),
        tags=tuple(sorted(reading.value("tags", values.texts))),
        no_cache=reading.value("no_cache", values.flag),
        pull=reading.value("pull", values.flag),
    )
    problems = tuple(reading.problems)
    if any(problem.severity is Severity.ERROR for problem in problems):
        return None, problems
    return replace(spec, key=_key(spec, context_digest(tree, spec))), problems


def _key(spec: BuildSpec, context: str) -> str:
    """SHA-256 of everything that changes the result, 64 hex digits."""
    inputs = {
        "format": _KEY_FORMAT,
        "context": context,
        "dockerfile": hashlib.sha256(spec.dockerfile).hexdigest(),
        "target": spec.target,
        "args": spec.args,
        "platform": spec.platform,
        "labels": spec.labels,
        "network": spec.network,
        "shm_size": spec.shm_size_bytes,
        "extra_hosts": spec.extra_hosts,
        "ulimits": [[limit.name, limit.soft, limit.hard] for limit in spec.ulimits],
        "image_contexts": spec.image_contexts,
        "secrets": [secret.id for secret in spec.secrets],
        "ssh": [key.partition("=")[0] for key in spec.ssh],
        # These change no byte, but an image that was made without them is not what is asked for.
        "tags": spec.tags,
        "no_cache": spec.no_cache,
        "pull": spec.pull,
    }
    return hashlib.sha256(canonical_json(inputs).encode("utf-8", "surrogateescape")).hexdigest()


def _locate(reading: Reading, frontends: frozenset[str]) -> Located | None:
    """Find the context, the Dockerfile and the ignore file."""
    context = _context(reading)
    if context is None:
        return None
    dockerfile = _dockerfile(reading, context)
    if dockerfile is None:
        return None
    content, label, path = dockerfile
    buildchecks.check_dockerfile(reading, content, label, frontends)
    rules = _rules(reading, context, path)
    if rules is None:
        return None
    if inside := first_submodule(reading.tree, context, rules):
        reading.report(
            BuildCode.SUBMODULE,
            "context",
            f"the build context contains the Git submodule {inside}, whose files are not in this repository",
            "add it to .dockerignore, or commit the files themselves",
        )
        return None
    relative = path.removeprefix(f"{context}/" if context else "")
    within = bool(path) and (not context or path.startswith(f"{context}/")) and not rules.ignores(relative)
    return Located(context, content, label, relative if within else "", rules)


def _context(reading: Reading) -> str | None:
    given = reading.value("context", values.text) or "."
    if _REMOTE.match(given) or given.startswith("/"):
        reading.report(
            BuildCode.REMOTE_CONTEXT,
            "context",
            f"the build context {given!r} is not a directory of this repository",
            "only what is committed here is built: copy the sources into the repository, or use a ready image",
        )
        return None
    try:
        return directory(reading.tree, given)
    except PathEscapesTree:
        reading.report(BuildCode.PATH_ESCAPES, "context", f"the build context {given!r} leads out of the repository")
    except NotInTreeError as error:
        code = BuildCode.SUBMODULE if error.submodule else BuildCode.NOT_FOUND
        hint = "submodules are not fetched; commit the files themselves" if error.submodule else ""
        reading.report(code, "context", f"the build context {given!r} {error}", hint)
    return None


def _dockerfile(reading: Reading, context: str) -> tuple[bytes, str, str] | None:
    """The Dockerfile's content, its name for people, and its repository path ("" where it is no plain file there)."""
    inline = reading.value("dockerfile_inline", values.text)
    name = reading.value("dockerfile", values.text)
    if inline:
        if name and name != "Dockerfile":
            reading.report(
                BuildCode.BAD_ATTRIBUTE,
                "dockerfile",
                "build has both dockerfile and dockerfile_inline",
                "keep one of them",
            )
            return None
        return inline.encode("utf-8", "surrogateescape"), "dockerfile_inline", ""
    name = name or "Dockerfile"
    candidates = (name, "dockerfile") if name == "Dockerfile" else (name,)
    problem: tuple[BuildCode, str] = (BuildCode.NOT_FOUND, "")
    for candidate in candidates:
        try:
            file = read_small_file(reading.tree, context, candidate)
        except PathEscapesTree:
            problem = (BuildCode.PATH_ESCAPES, f"the Dockerfile {candidate!r} leads out of the repository")
            break
        except NotInTreeError as error:
            code = BuildCode.TOO_LARGE if error.too_large else BuildCode.NOT_FOUND
            # Of the two spellings, the usual one is named.
            problem = (
                problem if problem[1] else (code, f"the Dockerfile {candidate!r} {error} (context: {context or '.'})")
            )
        else:
            return file.content, file.path, file.path if file.plain else ""
    reading.report(problem[0], "dockerfile", problem[1])
    return None


def _rules(reading: Reading, context: str, dockerfile_path: str) -> dockerignore.IgnoreRules | None:
    """The rules of ``<Dockerfile>.dockerignore``, else of the context's ``.dockerignore``."""
    of_context = f"{context}/{dockerignore.FILE_NAME}" if context else dockerignore.FILE_NAME
    for path in ([f"{dockerfile_path}.dockerignore"] if dockerfile_path else []) + [of_context]:
        if reading.tree.entry(path) is None:
            continue
        try:
            file = read_small_file(reading.tree, "", path)
            return dockerignore.parse(file.content.decode("utf-8", "surrogateescape"))
        except PathEscapesTree:
            reading.report(BuildCode.PATH_ESCAPES, "context", f"{path} leads out of the repository")
        except NotInTreeError as error:
            reading.report(
                BuildCode.TOO_LARGE if error.too_large else BuildCode.NOT_FOUND, "context", f"{path} {error}"
            )
        except dockerignore.BadPatternError as error:
            reading.problems.append(
                Diagnostic(
                    severity=Severity.ERROR,
                    code=BuildCode.BAD_DOCKERIGNORE,
                    message=str(error),
                    origin=Origin(path, error.line, 1),
                )
            )
        return None
    return dockerignore.IgnoreRules()
