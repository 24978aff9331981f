"""Building with BuildKit, over the ``docker buildx build`` command where it is installed.

The context goes in on standard input; secrets go in as files that only this user can read, arguments as variables, so
that neither is among a process's arguments.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from trimtab.errors import BackendUnavailable, Conflict, DeadlineExceeded, InternalError
from trimtab.images.buildlog import BuildLog, masked
from trimtab.images.buildspec import BuildSpec
from trimtab.images.context import context_tar
from trimtab.model.snapshot import Tree

# What the docker command may see of our environment: where the engine, its settings and its plugins are.
_PASSED = re.compile(
    r"PATH|HOME|DOCKER_(?:HOST|CONTEXT|CONFIG|CERT_PATH|TLS_VERIFY|API_VERSION)|BUILDX_CONFIG|BUILDX_BUILDER|LANG"
    r"|SSH_AUTH_SOCK|XDG_RUNTIME_DIR|TMPDIR|(?i:https?_proxy|no_proxy)"
)
_VERTEX = re.compile(r"#(\d+) (\[[^\]]*\].*)")
_ERROR = re.compile(r"#(\d+) ERROR: (.*)")
_INSTRUCTION = re.compile(r"\[[^\]]*\] (.*)")
_SUMMARY = re.compile(r"ERROR: (?:failed to (?:build|solve): )*(.*)")
_TICK_S = 0.1
# How long a command that was asked to end may take before it is killed.
_GRACE_S = 5.0


def buildx_version(docker: str = "docker") -> str:
    """The version of the buildx plugin; "" where there is none."""
    if shutil.which(docker) is None:
        return ""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            [docker, "buildx", "version"], capture_output=True, text=True, timeout=20, check=False, env=_environment("")
        )
        # "github.com/docker/buildx 0.29.1 ..."; a CLI without the plugin prints its help and fails.
        words = done.stdout.split()
        if done.returncode == 0 and len(words) > 1 and "buildx" in words[0]:
            return words[1]
    return ""


class BuildxBuilder:
    """An ImageBuilder on the buildx command.

    ``docker_host`` is the engine's address ("" for the command's own default), ``builder`` a buildx builder's name.
    """

    def __init__(self, *, docker: str = "docker", docker_host: str = "", builder: str = "") -> None:
        self._docker = docker
        self._docker_host = docker_host
        self._builder = builder

    def build(
        self,
        spec: object,
        tree: Tree,
        *,
        tags: Sequence[str],
        labels: Mapping[str, str],
        log: Callable[[str], None],
        cancelled: threading.Event,
        timeout_s: float = 600.0,
    ) -> str:
        """Build, load into the engine, tag, and return the image id.

        Raises:
            BuildFailed, RegistryUnavailable, BackendUnavailable,
            DeadlineExceeded, Conflict (cancelled).
        """
        if not isinstance(spec, BuildSpec):
            raise InternalError(f"a build needs a BuildSpec, not {type(spec).__name__}")
        environment = _environment(self._docker_host)
        with tempfile.TemporaryDirectory(prefix="trimtab-build-") as folder:
            names = list(dict.fromkeys([*tags, *spec.tags]))
            arguments = build_arguments(spec, names, labels, environment)
            values = []
            for secret in spec.secrets:
                path = Path(folder, f"secret-{secret.id}")
                path.touch(mode=0o600)
                value = tree.read(secret.file) if secret.file else secret.value.encode("utf-8", "surrogateescape")
                path.write_bytes(value)
                values.append(value.decode("utf-8", "replace"))
                arguments += ["--secret", f"id={secret.id},src={path}"]
            image_file = Path(folder, "image-id")
            command = [self._docker, "buildx", "build", *arguments, "--iidfile", str(image_file)]
            if self._builder:
                command += ["--builder", self._builder]
            run = _Run(spec, BuildLog(log, masked(values)), cancelled, timeout_s, partial(self._answers, environment))
            run.perform([*command, "-"], environment, context_tar(spec, tree, for_engine=False))
            return self._image_id(names, image_file, environment)

    def _answers(self, environment: Mapping[str, str]) -> bool:
        command = [self._docker, "version", "--format", "{{.Server.Version}}"]
        try:
            return (
                subprocess.run(command, env=environment, capture_output=True, timeout=10, check=False).returncode == 0
            )
        except subprocess.TimeoutExpired:
            return False

    def _image_id(self, tags: Sequence[str], image_file: Path, environment: Mapping[str, str]) -> str:
        """The id as the engine knows it; a builder of its own container reports its manifest's digest instead."""
        if not tags:
            return image_file.read_text().strip()
        command = [self._docker, "image", "inspect", "--format", "{{.Id}}", tags[0]]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise BackendUnavailable(f"{tags[0]} was built, but the engine does not have it: {done.stderr.strip()}")
        return done.stdout.strip()


def build_arguments(
    spec: BuildSpec, tags: Sequence[str], labels: Mapping[str, str], environment: dict[str, str]
) -> list[str]:
    """The options of ``docker buildx build``; values of arguments are added to ``environment`` instead."""
    arguments = ["--progress=plain", "--load", "--provenance=false", "--file", spec.dockerfile_in_tar]
    for name, value in sorted(spec.args.items()):
        if name in environment:
            # The command itself needs this one with its own value.
            arguments += ["--build-arg", f"{name}={value}"]
        else:
            environment[name] = value
            arguments += ["--build-arg", name]
    repeated: list[tuple[str, Sequence[str]]] = [
        ("--tag", tags),
        ("--label", [f"{name}={value}" for name, value in sorted({**spec.labels, **labels}.items())]),
        ("--add-host", [f"{name}:{address}" for name, address in spec.extra_hosts]),
        ("--ulimit", [f"{limit.name}={limit.soft}:{limit.hard}" for limit in spec.ulimits]),
        ("--cache-from", spec.cache_from),
        ("--cache-to", spec.cache_to),
        ("--build-context", [f"{name}={target}" for name, target in sorted(spec.image_contexts.items())]),
        ("--ssh", spec.ssh),
        ("--target", [spec.target] if spec.target else []),
        ("--platform", [spec.platform] if spec.platform else []),
        ("--network", [spec.network] if spec.network else []),
        ("--shm-size", [str(spec.shm_size_bytes)] if spec.shm_size_bytes else []),
    ]
    for option, options in repeated:
        # One word, so that no value is ever taken for an option.
        arguments += [f"{option}={value}" for value in options]
    # BuildKit wants the host's network asked for and allowed.
    arguments += ["--allow=network.host"] if spec.network == "host" else []
    arguments += ["--no-cache"] if spec.no_cache else []
    arguments += ["--pull"] if spec.pull else []
    return arguments


def _environment(docker_host: str) -> dict[str, str]:
    passed = {name: value for name, value in os.environ.items() if _PASSED.fullmatch(name)}
    if docker_host:
        passed |= {"DOCKER_HOST": docker_host}
        # A context would win over the address.
        passed.pop("DOCKER_CONTEXT", None)
    return passed


class _Run:
    """One run of the command: its output, its end, and its being ended."""

    def __init__(
        self,
        spec: BuildSpec,
        output: BuildLog,
        cancelled: threading.Event,
        timeout_s: float,
        engine_answers: Callable[[], bool],
    ) -> None:
        self._engine_answers = engine_answers
        self._spec = spec
        self._output = output
        self._cancelled = cancelled
        self._timeout_s = timeout_s
        self._until = time.monotonic() + timeout_s
        self._vertices: dict[str, str] = {}
        self._summary = ""
        self._feed_error: Exception | None = None

    def perform(self, command: Sequence[str], environment: Mapping[str, str], context: Iterator[bytes]) -> None:
        """Run to the end. Raises what ``build`` says."""
        self._check()
        try:
            # A group of its own: the plugin is a child of the command, and both have to go.
            process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise BackendUnavailable(f"{command[0]} cannot be run: {error}") from error
        done = threading.Event()
        feeder = threading.Thread(target=self._feed, args=(process, context), name="build-context", daemon=True)
        watcher = threading.Thread(target=self._watch, args=(process, done), name="build-watch", daemon=True)
        try:
            feeder.start()
            watcher.start()
            self._read(process)
            status = process.wait()
        finally:
            done.set()
            if process.poll() is None:
                _kill(process, signal.SIGKILL)
                process.wait()
            watcher.join()
            feeder.join()
            for pipe in (process.stdin, process.stderr):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
        if status == 0 and self._feed_error is None:
            return
        self._check()
        if self._feed_error is not None:
            raise self._feed_error
        summary = self._summary or f"{command[0]} buildx ended with status {status}"
        raise self._output.failure(self._spec, summary, self._engine_answers)

    def _check(self) -> None:
        what = f"the build of {self._spec.dockerfile_label}"
        if self._cancelled.is_set():
            raise Conflict(f"{what} was cancelled", hint="a newer revision or a stop took its place")
        if time.monotonic() >= self._until:
            raise DeadlineExceeded(
                f"{what} took longer than {self._timeout_s:g} s",
                hint="it was given up; raise the deadline if it needs more",
            )

    def _feed(self, process: subprocess.Popen[bytes], context: Iterator[bytes]) -> None:
        assert process.stdin is not None  # noqa: S101 - asked for above
        try:
            for chunk in context:
                process.stdin.write(chunk)
            process.stdin.close()
        except OSError:
            # The command ended without reading all; its own message says why.
            return
        except Exception as error:  # noqa: BLE001 - raised again in the caller's thread
            self._feed_error = error
            _kill(process, signal.SIGTERM)

    def _watch(self, process: subprocess.Popen[bytes], done: threading.Event) -> None:
        while not done.wait(_TICK_S):
            if self._cancelled.is_set() or time.monotonic() >= self._until:
                _kill(process, signal.SIGTERM)
                if not done.wait(_GRACE_S):
                    _kill(process, signal.SIGKILL)
                return

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None  # noqa: S101 - asked for in perform
        for raw in process.stderr:
            line = self._output.line(raw.decode("utf-8", "replace").rstrip("\n"))
            if vertex := _VERTEX.match(line):
                self._vertices[vertex[1]] = vertex[2]
            elif (error := _ERROR.match(line)) and (name := self._vertices.get(error[1])):
                found = _INSTRUCTION.match(name)
                self._output.instruction = found[1] if found else name
            elif summary := _SUMMARY.match(line):
                self._summary = summary[1]


def _kill(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """Signal the whole group; it may have ended by itself."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, how)
