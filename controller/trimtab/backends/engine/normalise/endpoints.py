"""A container's networks: the addresses and names it asked for, without those it was given. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.model.untyped import mapping, members, strings, texts

Fields = dict[str, object]


# Network modes in which the engine itself lists a network of that name.
_BUILT_IN = ("bridge", "default", "host", "none")


def normalise_endpoints(
    inspect: Mapping[str, object], config: Fields, config_given: Fields, mode: str, there: Mapping[str, str]
) -> tuple[Fields, Fields]:
    """(fields, inherited): endpoints by network; what ``config`` says of a MAC address is filled in from them.

    ``there`` are the networks that there are, by id; empty where that is not known.
    """
    fields: Fields = {}
    given: Fields = {}
    short_id = str(inspect.get("Id") or "")[:12]
    attached = mapping(mapping(inspect.get("NetworkSettings")).get("Networks"))
    own_mac = config.get("MacAddress")
    for name in sorted(attached):
        if name in _BUILT_IN and (mode in _BUILT_IN or name != "bridge"):
            continue
        endpoint = mapping(attached[name])
        if there and (network := endpoint.get("NetworkID")) and network not in there:
            # Removed while the container was stopped: one of the same name is another, and it cannot start in either.
            continue
        out = _endpoint(endpoint, short_id)
        # A given address and an allocated one look the same, so it is compared only where one is asked for.
        if mac := endpoint.get("MacAddress") or (own_mac if name == mode else None):
            out["MacAddress"] = mac
            given[name] = {"MacAddress": mac}
            if name == mode:
                config.setdefault("MacAddress", mac)
        fields[name] = out
    if mode in _BUILT_IN and (allocated := mapping(attached.get("bridge")).get("MacAddress")):
        config.setdefault("MacAddress", allocated)
    if "MacAddress" in config:
        config_given["MacAddress"] = config["MacAddress"]
    return fields, given


def _endpoint(endpoint: Mapping[str, object], short_id: str) -> Fields:
    out: Fields = {}
    # Source: moby daemon/container_operations.go before API v1.45: short id and hostname are put after the given ones.
    aliases = [str(alias) for alias in members(endpoint.get("Aliases"))]
    if short_id in aliases:
        del aliases[aliases.index(short_id) :]
    wanted = mapping(endpoint.get("IPAMConfig"))
    out["Aliases"] = sorted(set(aliases))
    out |= {key: str(wanted.get(key) or "") for key in ("IPv4Address", "IPv6Address")}
    out["LinkLocalIPs"] = sorted(strings(wanted.get("LinkLocalIPs")))
    out["DriverOpts"] = texts(endpoint.get("DriverOpts"))
    out["Links"] = sorted(strings(endpoint.get("Links")))
    out["GwPriority"] = endpoint.get("GwPriority")
    return {key: value for key, value in out.items() if value}
