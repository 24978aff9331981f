"""What a container runs: the fields of the Engine API's container ``Config``. Pure.

Source: Compose Specification 05-services; docker/compose pkg/compose/create.go; Engine API ContainerConfig.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from trimtab.backends.engine.labels import user_labels
from trimtab.backends.engine.render.sensitive import guarded
from trimtab.backends.engine.render.writer import ServiceReader, SpecWriter


def write_config(writer: SpecWriter, image: str, secret_key: bytes) -> None:
    """Everything of ``Config``; ``image`` is the reference the container is created from."""
    reader = writer.reader
    writer.put("/Config/Image", image, "build" if reader.get("build") and not reader.get("image") else "image")
    environment = reader.mapping("environment")
    writer.put(
        "/Config/Env",
        {
            name: guarded(name, str(environment[name]), secret_key)
            for name in sorted(environment)
            if environment[name] is not None
        },
        "environment",
    )
    # An empty list is a statement (clear the image's), no value is none.
    for pointer, attribute in (("/Config/Cmd", "command"), ("/Config/Entrypoint", "entrypoint")):
        value = reader.get(attribute)
        if value is not None:
            writer.put(pointer, list(reader.texts(attribute)), attribute, keep_empty=True)
    writer.put(
        "/Config/Labels",
        {k: str(v) for k, v in user_labels({k: str(v) for k, v in reader.mapping("labels").items()}).items()},
        "labels",
    )
    writer.put("/Config/User", reader.text("user"), "user")
    if (folder := reader.text("working_dir")).startswith("/"):
        # As the engine cleans it: /srv/ and /srv are one.
        folder = posixpath.normpath("/" + folder.lstrip("/"))
    writer.put("/Config/WorkingDir", folder, "working_dir")
    writer.put("/Config/Hostname", reader.text("hostname"), "hostname")
    writer.put("/Config/Domainname", reader.text("domainname"), "domainname")
    writer.put("/Config/StopSignal", reader.text("stop_signal"), "stop_signal")
    grace_ns = reader.duration_ns("stop_grace_period")
    if grace_ns is not None:
        writer.put("/Config/StopTimeout", max(0, -(-grace_ns // 1_000_000_000)), "stop_grace_period")
    writer.put("/Config/Tty", reader.flag("tty"), "tty")
    writer.put("/Config/OpenStdin", reader.flag("stdin_open"), "stdin_open")
    writer.put("/Config/MacAddress", reader.text("mac_address"), "mac_address")
    writer.put("/Config/ExposedPorts", _exposed(reader), "expose" if reader.get("expose") else "ports")
    _write_healthcheck(writer)


def _exposed(reader: ServiceReader) -> list[str]:
    exposed = set()
    for entry in reader.texts("expose"):
        ports, _, protocol = entry.partition("/")
        first, _, last = ports.partition("-")
        exposed |= {f"{port}/{protocol or 'tcp'}" for port in range(int(first), int(last or first) + 1)}
    for port_mapping in reader.items("ports"):
        if isinstance(port_mapping, Mapping):
            exposed.add(f"{port_mapping['target']}/{port_mapping.get('protocol') or 'tcp'}")
    return sorted(exposed)


def _write_healthcheck(writer: SpecWriter) -> None:
    reader = writer.reader
    if not reader.mapping("healthcheck"):
        return
    if reader.flag("healthcheck", "disable"):
        writer.put("/Config/Healthcheck/Test", ["NONE"], "healthcheck", "disable")
        return
    writer.put("/Config/Healthcheck/Test", list(reader.texts("healthcheck", "test")), "healthcheck", "test")
    for field, attribute in (
        ("Interval", "interval"),
        ("Timeout", "timeout"),
        ("StartPeriod", "start_period"),
        ("StartInterval", "start_interval"),
    ):
        value = reader.duration_ns("healthcheck", attribute)
        if value:
            writer.put(f"/Config/Healthcheck/{field}", value, "healthcheck", attribute)
    retries = reader.integer("healthcheck", "retries")
    if retries:
        writer.put("/Config/Healthcheck/Retries", retries, "healthcheck", "retries")
