"""Checks that need more than one application: dependencies, and things of which an engine has only one.

Of two applications that want the same port or name, the one that has it keeps it, then the one that is
deployed already, so that a new application never stops an old one; among equals the first by name.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from trimtab.manifest.codes import Code
from trimtab.manifest.kinds.decode import did_you_mean
from trimtab.model.application import Application, ComposeProject, Pointer
from trimtab.model.diagnostics import Diagnostic, Origin, Severity
from trimtab.model.keys import AppKey

BUILT_IN_DESTINATION = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusive:
    """Something an engine has once: ``what`` for comparing, ``text`` for people."""

    what: tuple[str, ...]
    text: str
    code: Code
    origin: Origin
    hint: str
    address: str = ""


def check(
    applications: Iterable[Application],
    *,
    known: Collection[AppKey] | None = (),
    incumbents: Collection[AppKey] = (),
    destinations: Collection[str] | None = (),
    exclusives: Mapping[AppKey, tuple[Exclusive, ...]] | None = None,
    rank: Callable[[AppKey, Exclusive], int] = lambda _key, _wanted: 0,
    repositories: Mapping[AppKey, str] | None = None,
) -> Mapping[AppKey, tuple[Diagnostic, ...]]:
    """What is wrong with each application because of the others.

    Args:
        applications: each with another key.
        known: applications that exist but are not among them, because they are loaded elsewhere or have errors;
            None: any may exist.
        incumbents: applications that are deployed already.
        destinations: names besides the built-in one; None: there may be any.
        exclusives: results of ``exclusives_of`` that are known from before.
        rank: how near an application is to having something, 0 when it has it; asked only where two want the same.
        repositories: where each is declared, told where two are declared in different ones.
    """
    ordered = sorted(applications, key=lambda app: app.key)
    found: dict[AppKey, list[Diagnostic]] = {}
    existing = None if known is None else {app.key for app in ordered} | set(known)
    for app in ordered:
        problems = list(_destination(app, destinations)) if destinations is not None else []
        problems += _own_names(app)
        if existing is not None:
            problems += _dependencies(app, existing)
        if problems:
            found.setdefault(app.key, []).extend(problems)
    for key, diagnostic in (
        *_cycles(ordered),
        *_waves(ordered, repositories or {}),
        *_clashes(ordered, _Order(set(incumbents), rank), exclusives or {}, repositories or {}),
    ):
        found.setdefault(key, []).append(diagnostic)
    return {key: tuple(sorted(told, key=lambda d: (d.origin, d.code, d.message))) for key, told in found.items()}


def _dependencies(app: Application, existing: Collection[AppKey]) -> Iterator[Diagnostic]:
    for needed in app.depends_on:
        if needed not in existing:
            hint = did_you_mean(str(needed), sorted(str(key) for key in existing if key != app.key))
            message = f"application '{app.key}' depends on '{needed}', which does not exist"
            yield _error(Code.UNKNOWN_DEPENDENCY, message, app.origin, hint or "remove it, or add that application")


def _own_names(app: Application) -> Iterator[Diagnostic]:
    """A container_name that is what another service's container is called anyway."""
    services = app.compose.services
    given = {service: str(attributes.get("container_name") or "") for service, attributes in services.items()}
    for service, name in sorted(given.items()):
        other, _, replica = name.removeprefix(f"{app.key.project}-").rpartition("-")
        if name.startswith(f"{app.key.project}-") and other != service and given.get(other) == "" and replica == "1":
            message = (
                f"services.{service} has the container_name '{name}', as the container of services.{other} is called"
            )
            origin = _place(app, ("services", service, "container_name"))
            yield _error(Code.DUPLICATE_CONTAINER_NAME, message, origin, "change it, or leave it out")


def _destination(app: Application, destinations: Collection[str]) -> Iterator[Diagnostic]:
    if app.destination != BUILT_IN_DESTINATION and app.destination not in destinations:
        names = sorted({BUILT_IN_DESTINATION, *destinations})
        hint = did_you_mean(app.destination, names) or f"there are: {', '.join(names)}"
        message = f"application '{app.key}' goes to the destination '{app.destination}', which does not exist"
        yield _error(Code.UNKNOWN_DESTINATION, message, app.origin, hint)


def _cycles(applications: list[Application]) -> Iterator[tuple[AppKey, Diagnostic]]:
    """Each circle is told once, at its first application; the others in it point there."""
    by_key = {app.key: app for app in applications}
    hint = "remove one of these dependencies"
    for members, path in circles({app.key: [k for k in app.depends_on if k in by_key] for app in applications}):
        first = path[0]
        text = " -> ".join(str(key) for key in (*path, first))
        yield (
            first,
            _error(
                Code.APPLICATION_CYCLE,
                f"applications depend on each other in a circle: {text}",
                by_key[first].origin,
                hint,
            ),
        )
        for key in members:
            if key != first:
                message = f"application '{key}' is in the circle of dependencies reported at {by_key[first].origin}"
                yield key, _error(Code.APPLICATION_CYCLE, message, by_key[key].origin, hint)


def _waves(applications: list[Application], repositories: Mapping[AppKey, str]) -> Iterator[tuple[AppKey, Diagnostic]]:
    """Each wave waits for the lower ones of its repository, so that nothing may depend on a later one there."""
    by_key = {app.key: app for app in applications}
    for app in applications:
        for needed in app.depends_on:
            other = by_key.get(needed)
            apart = repositories.get(needed) != repositories.get(app.key)
            if other is not None and other.wave > app.wave and not apart:
                message = (
                    f"application '{app.key}' of wave {app.wave} depends on '{needed}' of wave {other.wave} at "
                    f"{other.origin}, which waits for it"
                )
                yield app.key, _error(Code.LATER_WAVE, message, app.origin, f"give it wave {other.wave} or later")


def circles(needs: Mapping[AppKey, Iterable[AppKey]]) -> list[tuple[tuple[AppKey, ...], tuple[AppKey, ...]]]:
    """For each knot of dependencies: all that depend on themselves through it, and one shortest circle in it."""
    needed_by: dict[AppKey, list[AppKey]] = {}
    for key in sorted(needs):
        for needed in needs[key]:
            needed_by.setdefault(needed, []).append(key)
    found = []
    seen: set[AppKey] = set()
    # Most applications are in no circle: without those that need nothing, little is left to search.
    for key in sorted(_never_ready(needs, needed_by)):
        if key in seen:
            continue
        came_from = _reached(key, needs)
        if key not in came_from:
            continue
        members = came_from.keys() & _reached(key, needed_by).keys()
        seen |= members
        way = [came_from[key]]
        while way[-1] != key:
            way.append(came_from[way[-1]])
        found.append((tuple(sorted(members)), tuple(reversed(way))))
    return found


def _never_ready(needs: Mapping[AppKey, Iterable[AppKey]], needed_by: Mapping[AppKey, list[AppKey]]) -> set[AppKey]:
    """Those that are left when, again and again, all that wait for nothing are taken away."""
    waiting = {key: len(list(needed)) for key, needed in needs.items()}
    ready = [key for key, count in waiting.items() if count == 0]
    while ready:
        for key in needed_by.get(ready.pop(), ()):
            waiting[key] -= 1
            if waiting[key] == 0:
                ready.append(key)
    return {key for key, count in waiting.items() if count > 0}


def _reached(start: AppKey, edges: Mapping[AppKey, Iterable[AppKey]]) -> dict[AppKey, AppKey]:
    """All that ``start`` leads to (itself only through a circle), and from where each is reached first."""
    came_from: dict[AppKey, AppKey] = {}
    queue = [start]
    for key in queue:  # grows while it is read
        for following in sorted(edges.get(key, ())):
            if following not in came_from:
                came_from[following] = key
                if following != start:
                    queue.append(following)
    return came_from


def exclusives_of(app: Application) -> tuple[Exclusive, ...]:
    """What ``app`` takes for itself on its engine."""
    return (*_project(app), *_ports(app), *_names(app))


def _project(app: Application) -> Iterator[Exclusive]:
    yield Exclusive(
        what=("project", app.key.project),
        text=f"names its objects '{app.key.project}-...'",
        code=Code.PROJECT_TAKEN,
        origin=app.origin,
        hint="change its name or namespace",
    )


def _ports(app: Application) -> Iterator[Exclusive]:
    for service, attributes in sorted(app.compose.services.items()):
        ports = attributes.get("ports")
        for index, port in enumerate(ports if isinstance(ports, list | tuple) else ()):
            published = str(port.get("published") or "") if isinstance(port, Mapping) else ""
            # A range means: any free one of these. No number means: any free one.
            if not published.isdecimal() or published == "0":
                continue
            protocol, address = str(port.get("protocol") or "tcp"), str(port.get("host_ip") or "")
            shown = f"{address}:{published}" if address else published
            yield Exclusive(
                what=("port", protocol, published),
                text=f"publishes port {shown}/{protocol}",
                code=Code.PORT_TAKEN,
                origin=_place(app, ("services", service, "ports", index)),
                hint="publish another port, or bind it to another host_ip",
                address=address,
            )


def _names(app: Application) -> Iterator[Exclusive]:
    for service, attributes in sorted(app.compose.services.items()):
        if isinstance(name := attributes.get("container_name"), str):
            yield Exclusive(
                what=("container", name),
                text=f"has a container named '{name}'",
                code=Code.CONTAINER_NAME_TAKEN,
                origin=_place(app, ("services", service, "container_name")),
                hint="remove container_name, or change it",
            )
        elif "-" in app.key.project or "-" in service:
            # 'a' with 'b-c' and 'a-b' with 'c': only names with a dash can be put together in two ways.
            yield Exclusive(
                what=("container", f"{app.key.project}-{service}-1"),
                text=f"has a container named '{app.key.project}-{service}-1'",
                code=Code.CONTAINER_NAME_TAKEN,
                origin=_place(app, ("services", service)),
                hint="give the service another name or a container_name, or the application another name",
            )
    for section, kind in (("networks", "network"), ("volumes", "volume")):
        for key, attributes in sorted(_section(app.compose, section).items()):
            name = attributes.get("name")
            if isinstance(name, str) and not attributes.get("external"):
                yield Exclusive(
                    what=(kind, name),
                    text=f"makes the {kind} '{name}'",
                    code=Code.OBJECT_NAME_TAKEN,
                    origin=_place(app, (section, key, "name")),
                    hint="to share it, let one application make it and mark it 'external: true' in the other",
                )


def _section(project: ComposeProject, name: str) -> Mapping[str, Mapping[str, object]]:
    return project.networks if name == "networks" else project.volumes


def _place(app: Application, pointer: Pointer) -> Origin:
    return app.compose.origin(*pointer) or app.origin


@dataclass(frozen=True, slots=True)
class _Order:
    """Who comes first of those that want the same."""

    incumbents: Collection[AppKey]
    rank: Callable[[AppKey, Exclusive], int]

    def __call__(self, claim: tuple[AppKey, Exclusive]) -> tuple[int, bool, AppKey]:
        """Sorts claims."""
        key, wanted = claim
        return self.rank(key, wanted), key not in self.incumbents, key


def _clashes(
    applications: list[Application],
    order: _Order,
    known: Mapping[AppKey, tuple[Exclusive, ...]],
    repositories: Mapping[AppKey, str],
) -> Iterator[tuple[AppKey, Diagnostic]]:
    claims: dict[tuple[str, ...], list[tuple[AppKey, Exclusive]]] = {}
    for app in applications:
        for wanted in known.get(app.key) or exclusives_of(app):
            claims.setdefault((app.destination, *wanted.what), []).append((app.key, wanted))
    for same in claims.values():
        if len({key for key, _ in same}) < 2:
            continue
        holders: list[tuple[AppKey, Exclusive]] = []
        for key, wanted in sorted(same, key=order):
            holder = next((h for h in holders if h[0] != key and addresses_overlap(h[1].address, wanted.address)), None)
            if holder is None:
                holders.append((key, wanted))
                continue
            other, theirs = holder
            where = repositories.get(other, "")
            place = f"{theirs.origin} of {where}" if where != repositories.get(key, "") else f"{theirs.origin}"
            message = f"application '{key}' {wanted.text}, and so does '{other}' at {place}"
            yield key, _error(wanted.code, message, wanted.origin, wanted.hint)


def addresses_overlap(one: str, other: str) -> bool:
    """Whether one port can not be bound on both addresses; no address is every address, of IPv4 and IPv6."""
    if not one or not other or one == other:
        return True
    try:
        first, second = ipaddress.ip_address(one.strip("[]")), ipaddress.ip_address(other.strip("[]"))
    except ValueError:
        return False  # the compose loader has reported it
    return first.version == second.version and (first.is_unspecified or second.is_unspecified or first == second)


def _error(code: Code, message: str, origin: Origin, hint: str) -> Diagnostic:
    return Diagnostic(severity=Severity.ERROR, code=code.value, message=message, origin=origin, hint=hint)
