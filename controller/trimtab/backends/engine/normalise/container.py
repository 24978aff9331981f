"""One container's ``inspect`` in the shape of a spec, put together from its parts. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.backends.engine.labels import COMPOSE_PREFIX, PREFIX
from trimtab.backends.engine.normalise.endpoints import normalise_endpoints
from trimtab.backends.engine.normalise.host import normalise_host
from trimtab.backends.engine.normalise.mounts import normalise_mounts
from trimtab.backends.engine.normalise.names import Names, network_mode
from trimtab.model.observed import EngineFacts
from trimtab.model.untyped import mapping, members, strings, texts

Fields = dict[str, object]


def normalise_container(
    inspect: Mapping[str, object], image: Mapping[str, object] | None, *, names: Names, facts: EngineFacts
) -> tuple[Fields, Fields]:
    """(fields, inherited) of one container; ``image`` is its image's inspect, None when the image is gone."""
    config, host = mapping(inspect.get("Config")), mapping(inspect.get("HostConfig"))
    image_config = mapping((image or {}).get("Config"))
    mode = network_mode(host, names)
    own_config, image_given = _config(config, image_config, host, str(inspect.get("Id") or ""), mode)
    own_host, engine_given = normalise_host(host, facts, names, mode)
    mounts, mounts_given = normalise_mounts(inspect, image_config, names.contents, facts.root_dir)
    networks, networks_given = normalise_endpoints(inspect, own_config, image_given, mode, names.networks)
    parts = {"Config": own_config, "HostConfig": own_host, "Mounts": mounts, "Networks": networks}
    given = {"Config": image_given, "HostConfig": engine_given, "Mounts": mounts_given, "Networks": networks_given}
    return {k: v for k, v in parts.items() if v}, {k: v for k, v in given.items() if v}


def _config(
    config: Mapping[str, object], image: Mapping[str, object], host: Mapping[str, object], container_id: str, mode: str
) -> tuple[Fields, Fields]:
    given = _image_part(image)
    fields = _image_part(config)
    fields["Image"] = str(config.get("Image") or "")
    for name in ("Domainname", "MacAddress", "StopTimeout", "Tty", "OpenStdin"):
        if (value := config.get(name)) or (name == "StopTimeout" and value is not None):
            fields[name] = value
    hostname = str(config.get("Hostname") or "")
    borrowed = mode == "host" or mode.startswith("container:") or host.get("UTSMode") == "host"
    if hostname and hostname != container_id[:12]:
        fields["Hostname"] = hostname
        if borrowed:
            given["Hostname"] = hostname
            if "Domainname" in fields:
                given["Domainname"] = fields["Domainname"]
    published = sorted(mapping(host.get("PortBindings")))
    if published:
        given["ExposedPorts"] = sorted({*published, *strings(given.get("ExposedPorts"))})
    return fields, given


def _image_part(config: Mapping[str, object]) -> Fields:
    """What a container's and an image's config have in common."""
    fields: Fields = {}
    env = dict(str(entry).partition("=")[::2] for entry in members(config.get("Env")))
    if env:
        fields["Env"] = {name: env[name] for name in sorted(env)}
    for name in ("Cmd", "Entrypoint"):
        if parts := members(config.get(name)):
            fields[name] = [str(part) for part in parts]
    labels = {k: v for k, v in texts(config.get("Labels")).items() if not k.startswith((PREFIX, COMPOSE_PREFIX))}
    if labels:
        fields["Labels"] = labels
    if ports := mapping(config.get("ExposedPorts")):
        fields["ExposedPorts"] = sorted(str(port) for port in ports)
    for name in ("User", "WorkingDir", "StopSignal"):
        if value := config.get(name):
            fields[name] = str(value)
    if check := {name: value for name, value in sorted(mapping(config.get("Healthcheck")).items()) if value}:
        fields["Healthcheck"] = check
    return fields
