"""Networks and volumes in the shape of a spec. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.backends.engine.labels import user_labels
from trimtab.model.untyped import mapping, members, texts

Fields = dict[str, object]


# Source: moby 27+, libnetwork fills these in for every bridge network.
_FILLED_IN = frozenset({"com.docker.network.enable_ipv4", "com.docker.network.enable_ipv6"})


def normalise_network(inspect: Mapping[str, object]) -> tuple[Fields, Fields]:
    """(fields, inherited) of one network; its subnet counts as the engine's choice as well."""
    fields: Fields = {}
    given: Fields = {}
    driver = str(inspect.get("Driver") or "bridge")
    fields["Driver"] = driver
    if driver == "bridge":
        given["Driver"] = driver
    for flag in ("Internal", "Attachable", "EnableIPv6"):
        if inspect.get(flag):
            fields[flag] = True
    if inspect.get("EnableIPv4") is False:
        fields["EnableIPv4"] = False
    if options := texts(inspect.get("Options")):
        fields["Options"] = options
        if chosen := {key: value for key, value in options.items() if key in _FILLED_IN}:
            given["Options"] = chosen
    if ipam := _ipam(mapping(inspect.get("IPAM"))):
        fields["IPAM"] = ipam
        if pools := ipam.get("Config"):
            given["IPAM"] = {"Config": pools}
    if labels := user_labels(texts(inspect.get("Labels"))):
        fields["Labels"] = labels
    return fields, given


def normalise_volume(inspect: Mapping[str, object]) -> tuple[Fields, Fields]:
    """(fields, inherited) of one volume."""
    driver = str(inspect.get("Driver") or "local")
    fields: Fields = {"Driver": driver}
    given: Fields = {"Driver": driver} if driver == "local" else {}
    if options := texts(inspect.get("Options")):
        fields["DriverOpts"] = options
    if labels := user_labels(texts(inspect.get("Labels"))):
        fields["Labels"] = labels
    return fields, given


def _ipam(ipam: Mapping[str, object]) -> Fields:
    out: Fields = {}
    if (driver := str(ipam.get("Driver") or "default")) != "default":
        out["Driver"] = driver
    pools = []
    for pool in members(ipam.get("Config")):
        entry: Fields = {k: str(v) for k in ("Subnet", "IPRange", "Gateway") if (v := mapping(pool).get(k))}
        # create takes AuxiliaryAddresses, inspect answers with AuxiliaryAddresses or AuxAddress by version.
        if auxiliary := texts(mapping(pool).get("AuxiliaryAddresses") or mapping(pool).get("AuxAddress")):
            entry["AuxiliaryAddresses"] = auxiliary
        if entry:
            pools.append(entry)
    if pools:
        out["Config"] = pools
    if options := texts(ipam.get("Options")):
        out["Options"] = options
    return out
