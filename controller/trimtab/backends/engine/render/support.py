"""Attributes that a plain engine cannot carry out, or that mean nothing to it: said, never skipped in silence. Pure."""

from __future__ import annotations

from trimtab.backends.engine.render.writer import SpecWriter
from trimtab.model.diagnostics import Severity

# attribute path: (code, why, what to do). Refused: the application is not touched.
REFUSED: dict[tuple[str, ...], tuple[str, str, str]] = {
    ("provider",): ("TT2101", "providers run programs on the controller's host", "run it as a service of its own"),
    ("models",): ("TT2102", "models need Docker's model runner", "run the model server as a service"),
    ("credential_spec",): ("TT2103", "credential specs exist on Windows only", "remove it"),
    ("use_api_socket",): (
        "TT2104",
        "it would hand the engine's socket and registry credentials to the container",
        "bind /var/run/docker.sock explicitly if that is what is wanted",
    ),
    ("isolation",): ("TT2105", "isolation technologies exist on Windows only", "remove it"),
    ("cpu_count",): ("TT2106", "it exists on Windows only", "use cpus"),
    ("cpu_percent",): ("TT2107", "it exists on Windows only", "use cpus"),
    ("deploy", "resources", "reservations", "generic_resources"): (
        "TT2108",
        "generic resources need Swarm",
        "use devices",
    ),
}

# Honest to ignore here, because they change nothing that runs; still said.
NOTED: dict[tuple[str, ...], tuple[str, str]] = {
    ("develop",): ("TT2120", "it is for 'docker compose watch' and has no effect on a deployment"),
    ("attach",): ("TT2121", "it is for the terminal of 'docker compose up' and has no effect on a deployment"),
    ("deploy", "placement"): ("TT2122", "there is one engine; placement needs Swarm"),
    ("deploy", "endpoint_mode"): ("TT2123", "endpoint modes need Swarm; services are reached by their network alias"),
    ("deploy", "labels"): (
        "TT2124",
        "they label a Swarm service, which a plain engine does not have; use labels for containers",
    ),
    ("deploy", "resources", "reservations", "cpus"): ("TT2125", "a plain engine reserves no CPUs"),
    ("deploy", "restart_policy", "delay"): ("TT2126", "the engine chooses the delay between restarts itself"),
    ("deploy", "restart_policy", "window"): ("TT2127", "the engine has no window for restarts"),
}


def check_support(writer: SpecWriter) -> None:
    """Report every attribute of the service that is refused or has no effect."""
    reader = writer.reader
    for path, (code, why, hint) in REFUSED.items():
        if reader.get(*path) not in (None, False, "", [], {}):
            message = f"service {reader.name!r}: {'.'.join(path)} cannot be honoured: {why}"
            writer.note(Severity.ERROR, code, message, *path, hint=hint)
    for path, (code, why) in NOTED.items():
        if reader.get(*path) not in (None, "", [], {}):
            writer.note(Severity.INFO, code, f"service {reader.name!r}: {'.'.join(path)} is not used: {why}", *path)
