"""What only several applications together can get wrong, and who has to give way."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.manifest.crossref import check, circles
from trimtab.model.application import Application, ComposeProject
from trimtab.model.diagnostics import Diagnostic, Origin
from trimtab.model.keys import AppKey


def app(
    name: str,
    *needs: str,
    services: Mapping[str, Mapping[str, object]] | None = None,
    destination: str = "local",
    networks: Mapping[str, Mapping[str, object]] | None = None,
    volumes: Mapping[str, Mapping[str, object]] | None = None,
) -> Application:
    key = AppKey.parse(name)
    compose = ComposeProject(name=key.project, services=services or {}, networks=networks or {}, volumes=volumes or {})
    return Application(
        key=key,
        origin=Origin(f"{name}.yaml", 1, 1),
        compose=compose,
        depends_on=tuple(AppKey.parse(n) for n in needs),
        destination=destination,
    )


def port(published: str, host_ip: str = "", protocol: str = "tcp") -> Mapping[str, Mapping[str, object]]:
    entry = {"target": 80, "published": published, "protocol": protocol, "mode": "ingress"}
    return {"web": {"image": "x", "ports": [entry | ({"host_ip": host_ip} if host_ip else {})]}}


def told(result: Mapping[AppKey, tuple[Diagnostic, ...]]) -> dict[str, list[str]]:
    return {str(key): [d.code for d in found] for key, found in sorted(result.items())}


def test_a_dependency_has_to_exist() -> None:
    result = check([app("web", "databse"), app("database")])
    assert told(result) == {"web": ["TT1600"]}
    assert result[AppKey.parse("web")][0].hint == "did you mean 'database'?"
    assert check([app("web", "mail")], known=[AppKey.parse("mail")]) == {}


def test_a_circle_is_told_once_with_its_path_and_those_that_only_lead_to_it_are_fine() -> None:
    result = check([app("a", "b"), app("b", "c"), app("c", "a", "d"), app("d"), app("e", "a")])
    assert told(result) == {"a": ["TT1601"], "b": ["TT1601"], "c": ["TT1601"]}
    messages = [found.message for (found,) in result.values()]
    assert [m for m in messages if "->" in m] == ["applications depend on each other in a circle: a -> b -> c -> a"]


def test_an_application_may_not_depend_on_itself() -> None:
    assert told(check([app("a", "a")])) == {"a": ["TT1601"]}


def test_knots_are_told_apart_and_every_member_is_found() -> None:
    keys = {name: AppKey.parse(name) for name in "abcdxyz"}
    needs = {"a": "bd", "b": "c", "c": "a", "d": "c", "x": "y", "y": "x", "z": "ax"}
    found = circles({keys[k]: [keys[n] for n in v] for k, v in needs.items()})
    assert [("".join(k.name for k in members), "".join(k.name for k in path)) for members, path in found] == [
        ("abcd", "abc"),
        ("xy", "xy"),
    ]


def test_a_chain_of_thousands_is_no_problem() -> None:
    keys = [AppKey.parse(f"a{n}") for n in range(5000)]
    assert circles({k: keys[i + 1 : i + 2] for i, k in enumerate(keys)}) == []
    assert len(circles({k: [keys[(i + 1) % 5000]] for i, k in enumerate(keys)})[0][1]) == 5000


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        (port("80"), port("80"), True),
        (port("80"), port("81"), False),
        (port("80"), port("80", protocol="udp"), False),
        (port("80"), port("80", "127.0.0.1"), True),
        (port("80", "127.0.0.1"), port("80", "127.0.0.2"), False),
        (port("80", "0.0.0.0"), port("80", "127.0.0.2"), True),
        (port("80", "::"), port("80", "127.0.0.2"), False),
        (port("80", "[::1]"), port("80", "::1"), True),
        (port("80", "bad"), port("80", "127.0.0.1"), False),
        (port("8000-8010"), port("8000-8010"), False),
        (port("0"), port("0"), False),
    ],
)
def test_ports_clash_when_an_engine_could_not_bind_both(
    one: Mapping[str, Mapping[str, object]],
    other: Mapping[str, Mapping[str, object]],
    clash: bool,  # noqa: FBT001
) -> None:
    assert told(check([app("a", services=one), app("b", services=other)])) == ({"b": ["TT1602"]} if clash else {})


def test_applications_on_different_engines_do_not_clash() -> None:
    apps = [app("a", services=port("80")), app("b", services=port("80"), destination="far")]
    assert check(apps, destinations=["far"]) == {}


def test_who_was_there_first_keeps_what_it_has() -> None:
    apps = [app("a", services=port("80")), app("b", services=port("80"))]
    result = check(apps, incumbents=[AppKey.parse("b")])
    assert told(result) == {"a": ["TT1602"]}
    assert "and so does 'b' at b.yaml:1:1" in result[AppKey.parse("a")][0].message


def test_names_on_the_engine_are_taken_once() -> None:
    named = {"web": {"image": "x", "container_name": "proxy"}}
    volume = {"data": {"name": "shared"}}
    apps = [
        app("a", services=named, volumes=volume, networks={"n": {"name": "net"}}),
        app("b", services=named, volumes=volume, networks={"n": {"name": "net"}}),
        app("c", volumes={"data": {"name": "shared", "external": True}}),
    ]
    assert told(check(apps)) == {"b": ["TT1603", "TT1604", "TT1604"]}


def test_names_that_are_put_together_alike_are_taken_once() -> None:
    apps = [
        app("a", services={"b-c": {"image": "x"}, "d": {"image": "x"}}),
        app("a-b", services={"c": {"image": "x"}, "d": {"image": "x"}}),
        app("z", services={"web": {"image": "x", "container_name": "a-b-d-1"}}),
    ]
    found = check(apps)
    assert told(found) == {"a-b": ["TT1603"], "z": ["TT1603"]}
    assert "a-b-c-1" in found[AppKey.parse("a-b")][0].message


def test_a_container_name_that_another_service_has_anyway_is_told() -> None:
    named = {"image": "x", "container_name": "a-web-1"}
    (found,) = check([app("a", services={"web": {"image": "x"}, "proxy": named})])[AppKey.parse("a")]
    assert "services.web" in found.message
    assert check([app("a", services={"web": named, "proxy": {"image": "x"}})]) == {}
    assert check([app("b", services={"web": {"image": "x"}, "proxy": named})]) == {}


def test_two_keys_that_give_the_same_prefix_clash() -> None:
    assert told(check([app("a-b"), app("a/b")])) == {"a-b": ["TT1605"]}


def test_a_destination_has_to_exist() -> None:
    result = check([app("a", destination="prd")], destinations=["prod"])
    assert told(result) == {"a": ["TT1606"]}
    assert result[AppKey.parse("a")][0].hint == "did you mean 'prod'?"
    assert "there are: local" in check([app("a", destination="zzz")])[AppKey.parse("a")][0].hint


names = st.sampled_from("abcdef")
apps_strategy = st.dictionaries(names, st.lists(names, max_size=3, unique=True), max_size=6)


@given(apps_strategy, st.randoms(use_true_random=False))
def test_the_order_of_applications_does_not_matter(needs: dict[str, list[str]], random: object) -> None:
    apps = [app(name, *n, services=port("80")) for name, n in needs.items()]
    shuffled = list(apps)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert dict(sorted(check(apps).items())) == dict(sorted(check(shuffled).items()))


@given(apps_strategy)
def test_exactly_those_that_depend_on_themselves_are_in_circles(needs: dict[str, list[str]]) -> None:
    graph = {AppKey.parse(k): [AppKey.parse(n) for n in v if n in needs] for k, v in needs.items()}

    def reach(key: AppKey) -> set[AppKey]:
        seen: set[AppKey] = set()
        todo = list(graph[key])
        while todo:
            if (following := todo.pop()) not in seen:
                seen.add(following)
                todo += graph[following]
        return seen

    members = {key for knot, _ in circles(graph) for key in knot}
    assert members == {key for key in graph if key in reach(key)}
    for knot, path in circles(graph):
        assert set(path) <= set(knot)
        assert all(following in graph[key] for key, following in zip(path, (*path[1:], path[0]), strict=True))
