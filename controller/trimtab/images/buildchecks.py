"""The parts of a ``build`` that are refused, narrowed or resolved before anything is built. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from trimtab.images import values
from trimtab.images.buildspec import BuildSecret
from trimtab.images.codes import BuildCode
from trimtab.images.contextpaths import NotInTreeError, read_small_file
from trimtab.images.reading import Reading
from trimtab.model.diagnostics import Severity
from trimtab.model.snapshot import PathEscapesTree

# A frontend is a program that a Dockerfile brings along to run with the builder's rights; this one is BuildKit's own.
OFFICIAL_FRONTENDS = frozenset({"docker/dockerfile", "docker.io/docker/dockerfile"})
_SYNTAX_LINE = re.compile(r"\s*(?:#|//)\s*syntax\s*=\s*([^ \r]+)", re.IGNORECASE)
_DIRECTIVE = re.compile(r"\s*(?:#|//)(?:\s*\w+\s*=.*|!.*)?\s*$")
_SECRET_NAME = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIALS?)(?:_|$)", re.IGNORECASE
)
_KNOWN = frozenset({
    "additional_contexts", "args", "cache_from", "cache_to", "context", "dockerfile", "dockerfile_inline",
    "entitlements", "extra_hosts", "isolation", "labels", "network", "no_cache", "platforms", "privileged",
    "provenance", "pull", "sbom", "secrets", "shm_size", "ssh", "tags", "target", "ulimits",
})  # fmt: skip


def check_dockerfile(reading: Reading, content: bytes, label: str, frontends: frozenset[str]) -> None:
    """Report an LFS pointer, and a frontend that is not in ``frontends``."""
    if content.startswith(b"version https://git-lfs"):
        reading.report(BuildCode.LFS_POINTER, "dockerfile", f"{label} is a Git LFS pointer; LFS files are not fetched")
    text = content.decode("utf-8", "replace").removeprefix("\ufeff")
    # Source: BuildKit's parser.DetectSyntax, which also takes JSON for a Dockerfile that names a frontend, after a
    # line that begins with '#!'. Its lines end at line feeds alone; of two directives old versions took the last.
    shebang, _, rest = text.partition("\n")
    if (rest if shebang.startswith("#!") else text).lstrip().startswith("{"):
        _refuse_frontend(reading, "dockerfile", f"{label} is JSON, which is how a frontend is named")
    for line in text.split("\n"):
        if not _DIRECTIVE.match(line):
            return
        found = _SYNTAX_LINE.match(line)
        if found is not None and _image_name(found[1]) not in frontends:
            _refuse_frontend(reading, "dockerfile", f"{label} brings its own frontend, {found[1]}")
            return


def check_args(reading: Reading, args: Mapping[str, str], frontends: frozenset[str]) -> None:
    """Report a frontend among the arguments, and warn of secrets there."""
    if (frontend := args.get("BUILDKIT_SYNTAX")) and _image_name(frontend) not in frontends:
        _refuse_frontend(reading, "args", f"the argument BUILDKIT_SYNTAX brings its own frontend, {frontend}")
    for name, value in args.items():
        if value and _SECRET_NAME.search(name):
            reading.report(
                BuildCode.SECRET_IN_ARGS,
                "args",
                f"the build argument {name} looks like a secret; arguments stay readable in the image's history",
                "use build.secrets and RUN --mount=type=secret",
                Severity.WARNING,
            )


def _refuse_frontend(reading: Reading, attribute: str, message: str) -> None:
    reading.report(
        BuildCode.FRONTEND,
        attribute,
        message,
        "a frontend runs with the builder's rights; docker/dockerfile is accepted",
    )


def _image_name(ref: str) -> str:
    """An image reference without its tag and digest."""
    name = ref.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def refuse(reading: Reading) -> None:
    """Report what is asked for and cannot be had."""
    for name in sorted(reading.build):
        if name not in _KNOWN and not name.startswith("x-"):
            reading.report(BuildCode.UNKNOWN_ATTRIBUTE, name, f"unknown attribute {name!r} in build")
    _refuse_rights(reading)
    _refuse_attestations(reading)
    _refuse_local_paths(reading)
    if (isolation := reading.value("isolation", values.text)) not in {"", "default"}:
        reading.report(BuildCode.UNSUPPORTED, "isolation", f"build.isolation {isolation!r} exists on Windows only")


def _refuse_rights(reading: Reading) -> None:
    privileged = reading.value("privileged", values.flag)
    if privileged or reading.build.get("entitlements"):
        reading.report(
            BuildCode.EXTRA_RIGHTS,
            "privileged" if privileged else "entitlements",
            "builds are not given extra rights",
            "do at run time what needs them, or build the image elsewhere and name it with `image`",
        )


def _refuse_attestations(reading: Reading) -> None:
    for name in ("provenance", "sbom"):
        if reading.build.get(name) not in {None, False, "", "false", "0"}:
            reading.report(
                BuildCode.UNSUPPORTED,
                name,
                f"build.{name} makes an attestation, which an engine's own image store cannot keep",
                f"leave {name} out; labels on the image say which commit, path and key it was built from",
            )


def _refuse_local_paths(reading: Reading) -> None:
    for name in ("cache_from", "cache_to"):
        if any("type=local" in ref for ref in reading.value(name, values.texts)):
            message = f"build.{name} names a local directory, which is not in the repository"
            reading.report(BuildCode.UNSUPPORTED, name, message, "use a registry: type=registry,ref=...")
    for key in reading.value("ssh", values.texts):
        if (path := key.partition("=")[2]) and not path.startswith("/"):
            hint = "a private key has no place in Git; name an absolute path on the controller's machine"
            reading.report(BuildCode.UNSUPPORTED, "ssh", f"build.ssh {key!r} is a relative path", hint)


def platform(reading: Reading, service: str) -> str:
    """The one platform to build for; "" lets the builder decide.

    Source: docker/compose pkg/compose/build.go (applyPlatforms), as `up` builds.
    """
    platforms = reading.value("platforms", values.texts)
    if service and platforms and service not in platforms:
        reading.report(
            BuildCode.PLATFORM,
            "platforms",
            f"the service's platform {service} is not in build.platforms ({', '.join(platforms)})",
        )
    return service or (platforms[0] if len(platforms) == 1 else "")


def image_contexts(reading: Reading) -> Mapping[str, str]:
    """``additional_contexts`` that are images; directories and addresses are refused."""
    contexts = reading.value("additional_contexts", values.mapping)
    for name, target in contexts.items():
        if not target.startswith("docker-image://"):
            reading.report(
                BuildCode.UNSUPPORTED,
                "additional_contexts",
                f"build.additional_contexts.{name} is {target!r}; only docker-image:// is supported",
                "move the files below the context, or make the context their common parent directory",
            )
    return contexts


def secrets(
    reading: Reading, project: Mapping[str, Mapping[str, object]], variables: Mapping[str, str]
) -> tuple[BuildSecret, ...]:
    """The build's secrets, by id; those that are not defined, or cannot be read, are reported."""
    listed = reading.build.get("secrets") or ()
    if not isinstance(listed, list | tuple):
        reading.report(BuildCode.BAD_ATTRIBUTE, "secrets", "build.secrets must be a list")
        return ()
    found = []
    for item in listed:
        use = item if isinstance(item, Mapping) else {"source": item}
        source = str(use.get("source", ""))
        identity = str(use.get("target") or source)
        definition = project.get(source)
        if definition is None:
            reading.report(
                BuildCode.NOT_FOUND, "secrets", f"build.secrets names {source!r}, which `secrets` does not define"
            )
            continue
        if ignored := sorted(name for name in ("uid", "gid", "mode") if use.get(name) is not None):
            reading.report(
                BuildCode.UNSUPPORTED,
                "secrets",
                f"{', '.join(ignored)} of build secret {source!r}: BuildKit takes them elsewhere",
                "write them into the instruction: RUN --mount=type=secret,id=...,mode=...",
                Severity.WARNING,
            )
        if secret := _secret(reading, identity, source, definition, variables):
            found.append(secret)
    return tuple(sorted(found, key=lambda secret: secret.id))


def _secret(
    reading: Reading, identity: str, source: str, definition: Mapping[str, object], variables: Mapping[str, str]
) -> BuildSecret | None:
    if not re.fullmatch(r"[A-Za-z0-9._-]+", identity):
        reading.report(
            BuildCode.BAD_ATTRIBUTE,
            "secrets",
            f"the build secret's id {identity!r} has characters other than A-Z a-z 0-9 . _ -",
        )
        return None
    if variable := definition.get("environment"):
        if (value := variables.get(str(variable))) is None:
            reading.report(
                BuildCode.UNSET_VARIABLE,
                "secrets",
                f"secret {source!r} takes its value from the variable {variable}, which is not set",
                "set it in .env, an envFile, or the controller's configuration",
            )
            return None
        return BuildSecret(id=identity, environment=str(variable), value=value)
    if not (file := definition.get("file")):
        reading.report(
            BuildCode.UNSUPPORTED, "secrets", f"secret {source!r} has neither file nor environment, which a build needs"
        )
        return None
    try:
        return BuildSecret(id=identity, file=read_small_file(reading.tree, "", str(file)).resolved)
    except PathEscapesTree:
        reading.report(BuildCode.PATH_ESCAPES, "secrets", f"the file of secret {source!r} leads out of the repository")
    except NotInTreeError as error:
        reading.report(BuildCode.NOT_FOUND, "secrets", f"the file of secret {source!r} {error}")
    return None
