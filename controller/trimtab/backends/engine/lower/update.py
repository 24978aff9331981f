"""A container that stays: resources in place, networks joined and left, started or restarted. Pure."""

from __future__ import annotations

from trimtab.backends.engine import steps
from trimtab.backends.engine.fields import field_of
from trimtab.backends.engine.labels import staging_name
from trimtab.backends.engine.lower import address, conditions, containers, traffic
from trimtab.backends.engine.lower.reading import grace_s, present, wanted, written_volumes
from trimtab.backends.engine.lower.site import START_S, STOP_MARGIN_S, Places, Site
from trimtab.model.change import Change, Reason
from trimtab.model.desired import Resource
from trimtab.model.keys import Kind
from trimtab.model.observed import Live, RunState
from trimtab.model.untyped import mapping, section
from trimtab.plan.fielddiff import unescape

_RESTARTS = frozenset({Reason.DEPENDENCY_REPLACED, Reason.PARENT_RESTARTED})


def update(site: Site, change: Change) -> None:
    """Change it in place, then bring it up if it should run."""
    want, live = wanted(change), present(change)
    ref = steps.Existing(live.handle)
    last: set[int] = set()
    host_config = _host_config(change, want)
    if host_config:
        last.add(site.add(steps.UpdateContainer(container=ref, name=live.name, host_config=host_config), change))
    last |= _rejoin(site, change, want, live, ref)
    last = address.follow(site, change, ref, last)
    start: int | None = None
    states = {field.path for field in change.fields}
    if "/State/Status" in states:
        needs = {*last, *conditions.met(site, change, want), *site.object_needs(want)}
        if live.running.status is RunState.PAUSED:
            last = {site.add(steps.UnpauseContainer(container=ref, name=live.name), change, needs)}
        else:
            start, last = containers.start(site, change, ref, needs)
    elif change.reason in _RESTARTS:
        needs = address.unlisted(site, change, live, {*last, *conditions.met(site, change, want)})
        step = steps.RestartContainer(container=ref, name=live.name, grace_s=grace_s(want))
        last = {site.add(step, change, needs, timeout_s=grace_s(want) + STOP_MARGIN_S + START_S)}
    started = set(last)
    if last and traffic.rules(want).address and (start is not None or change.reason in _RESTARTS):
        last = address.listed(site, change, ref, {containers.prove(site, change, ref, started)})
    volumes = written_volumes(want.spec) if start is not None else frozenset()
    for extra in change.extras:
        containers.discard_extra(site, change, extra, started, volumes)
    # Another name that somebody gave it may be one that is only reported.
    if live.name != want.name and ("/Name" in states or not live.renamed_from):
        if any(other.name == live.name for other in site.desired.of_kind(Kind.CONTAINER)):
            # It has the name of another one of ours, which may have its own: it steps aside first.
            out_of_the_way = steps.RenameContainer(container=ref, name=staging_name(want.name, live.digest))
            aside = site.add(out_of_the_way, change, last)
            site.drafts.frees(aside, live.name)
            last = {aside}
        renamed = site.add(steps.RenameContainer(container=ref, name=want.name), change, last)
        site.drafts.renames(renamed, want.name)
        last = {renamed}
    if start is not None:
        site.drafts.takes(start, site.claims(want.spec) | volumes)
    site.places[change.key] = Places(ref=ref, name=want.name, started=started, last=last)


def _host_config(change: Change, want: Resource) -> dict[str, object]:
    asked = section(want.spec, "HostConfig")
    body: dict[str, object] = {}
    for changed in change.fields:
        if changed.path.startswith("/HostConfig/"):
            name = changed.path.split("/")[2]
            body[name] = asked[name] if name in asked else field_of(f"/HostConfig/{name}").unset
    if ("Memory" in body or "MemorySwap" in body) and "MemorySwap" not in asked:
        # Source: moby daemon: without a swap limit it is twice the memory, and an update must not go below either.
        memory = asked.get("Memory")
        body["MemorySwap"] = 2 * memory if isinstance(memory, int) else None
    return body


def _rejoin(site: Site, change: Change, want: Resource, live: Live, ref: steps.ContainerRef) -> set[int]:
    """Connect and disconnect networks so that they are as wanted."""
    asked, has = section(want.spec, "Networks"), section(live.fields, "Networks")
    touched = {unescape(field.path.split("/")[2]) for field in change.fields if field.path.startswith("/Networks/")}
    # A network that is made anew has let go of everyone already.
    anew = {
        site.desired.resources[need.key].name
        for need in want.needs
        if need.key.kind is Kind.NETWORK and need.key in site.made
    }
    if change.reason is Reason.NETWORK_REPLACED:
        touched |= anew
    nodes: set[int] = set()
    leaving: set[int] = set()
    arriving: set[int] = set()
    needs = site.object_needs(want)
    for network in sorted(touched):
        before: set[int] = set(needs)
        if network in has and network not in anew:
            step = steps.DisconnectNetwork(container=ref, name=live.name, network=network)
            left = site.add(step, change, before)
            site.drafts.releases(left, site.claims({"Networks": {network: has[network]}}))
            before = {left}
            nodes |= before
            if network not in asked:
                leaving.add(left)
        if network in asked:
            endpoint = asked[network]
            connect = steps.ConnectNetwork(container=ref, name=live.name, network=network, endpoint=mapping(endpoint))
            joined = site.add(connect, change, before)
            site.drafts.takes(joined, site.claims({"Networks": {network: endpoint}}))
            nodes.add(joined)
            arriving.add(joined)
    for left in leaving:
        # It leaves for good, so it can have the new ones before: it is never without a network.
        site.drafts.need(left, arriving)
    return nodes
