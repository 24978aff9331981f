from __future__ import annotations

import pytest

from tests.support.compose_text import long_form
from trimtab.manifest.compose.validate import validate
from trimtab.model.diagnostics import Severity


def problems(text: str, enabled: list[str] | None = None) -> list[str]:
    """What is wrong, as "CODE line:column message (hint)"."""
    model, _ = long_form(text)
    return [
        f"{one.code} {one.origin.line}:{one.origin.column} {one.message} ({one.hint})"
        for one in validate(model, enabled=enabled)
        if one.severity is Severity.ERROR
    ]


def of_service(attributes: str) -> list[str]:
    """Problems of a service, in flow style, that has an image."""
    return problems(f"services:\n  web: {{image: busybox, {attributes}}}\n")


def codes(found: list[str]) -> list[str]:
    return [one.split()[0] for one in found]


def test_a_misspelt_attribute_has_a_place_and_a_hint() -> None:
    assert problems(
        """
        services:
          api:
            image: busybox
            helthcheck: {test: [CMD, "true"]}
        """
    ) == ["TT1203 5:5 unknown attribute 'helthcheck' in services.api (did you mean 'healthcheck'?)"]


def test_the_whole_name_is_underlined() -> None:
    model, _ = long_form("services: {api: {image: busybox, helthcheck: {}}}")
    assert [one.length for one in validate(model)] == [len("helthcheck")]


def test_an_attribute_like_no_other() -> None:
    assert of_service("zzz: 1")[0].endswith("(an attribute of your own starts with 'x-')")
    assert of_service("x-zzz: {anything: [1]}") == []


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ("user: 1000", 'TT1201 2:31 services.web.user is a number; it must be a text (put it in quotes: "1000")'),
        ("hostname: true", 'TT1201 2:35 services.web.hostname is true; it must be a text (put it in quotes: "true")'),
        ("hostname: [a]", "TT1201 2:35 services.web.hostname is a list; it must be a text ()"),
        ("cap_add: ALL", "TT1201 2:34 services.web.cap_add is a text; it must be a list (write it as a list: [ALL])"),
        (
            "hostname: null",
            "TT1201 2:35 services.web.hostname is empty; it must be a text (give it a value, or leave it out)",
        ),
        (
            "healthcheck: {interval: 30}",
            "TT1201 2:49 services.web.healthcheck.interval is a number; it must be a text (write it with a unit: 30s)",
        ),
        ("logging: text", "TT1201 2:34 services.web.logging is a text; it must be a mapping ()"),
        ("cgroup: hots", "TT1202 2:33 'hots' is not a value of services.web.cgroup (did you mean 'host'?)"),
        ("cgroup: other", "TT1202 2:33 'other' is not a value of services.web.cgroup (one of: host, private)"),
        ("oom_score_adj: 5000", "TT1204 2:40 services.web.oom_score_adj is 5000; it must be at most 1000 ()"),
        ("oom_score_adj: -5000", "TT1204 2:40 services.web.oom_score_adj is -5000; it must be at least -1000 ()"),
        ("provider: {options: {}}", "TT1205 2:35 services.web.provider has no attribute 'type' (add `type:`)"),
        ("security_opt: [a, b, a]", "TT1206 2:46 services.web.security_opt[2] is the same as item 0 (leave one out)"),
        ("ulimits: {A1: 5}", "TT1207"),
    ],
)
def test_schema_findings(attributes: str, told: str) -> None:
    found = of_service(attributes)
    # The schema leaves the names of limits open.
    assert found == [] if told == "TT1207" else found == [told]


def test_names() -> None:
    assert codes(problems("services: {'a b': {image: x}}")) == ["TT1207"]
    assert codes(problems("volumes: {'a b': {}}")) == ["TT1207"]


def test_all_problems_at_once_in_order() -> None:
    found = problems(
        """
        services:
          b: {imgae: x, user: 1}
          a: {image: x, networks: [nowhere], cgroup: no-such}
        """
    )
    assert codes(found) == ["TT1230", "TT1203", "TT1201", "TT1241", "TT1202"]


def test_profiles_that_are_off_may_name_what_is_not_there() -> None:
    text = "services: {on: {image: x}, off: {image: x, networks: [nowhere], volumes: ['nope:/v']}, bad: {hots: 1}}"
    assert codes(problems(text, enabled=["on"])) == ["TT1203"]
    assert codes(problems(text, enabled=["on", "off"])) == ["TT1241", "TT1242", "TT1203"]


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ("depends_on: [nowhere]", "TT1240"),
        ("links: ['nowhere:x']", "TT1240"),
        ("volumes_from: ['nowhere:ro']", "TT1240"),
        ("network_mode: 'service:nowhere'", "TT1240"),
        ("ipc: 'service:nowhere'", "TT1240"),
        ("networks: [nowhere]", "TT1241"),
        ("volumes: ['nowhere:/v']", "TT1242"),
        ("configs: [nowhere]", "TT1243"),
        ("secrets: [nowhere]", "TT1244"),
        ("build: {secrets: [nowhere]}", "TT1244"),
        ("models: [nowhere]", "TT1245"),
        ("build: {additional_contexts: {a: 'service:nowhere'}}", "TT1240"),
        ("build: {additional_contexts: {a: 'service:web'}}", None),
        ("volumes_from: ['container:x']", None),
        ("network_mode: 'container:x'", None),
        ("networks: [default]", None),
        ("volumes: ['./a:/a', /b]", None),
    ],
)
def test_references(attributes: str, code: str | None) -> None:
    assert codes(of_service(attributes)) == ([code] if code else [])


def test_a_context_of_a_service_that_is_not_built() -> None:
    text = "services: {web: {build: {additional_contexts: {a: 'service:db'}}}, db: {image: x}}"
    assert codes(problems(text)) == ["TT1246"]


def test_did_you_mean_a_declared_name() -> None:
    found = problems("services: {web: {image: x, networks: [frnt]}}\nnetworks: {front: {}}\n")
    assert found[0].endswith("(did you mean 'front'?)")
    assert "declare it under the top-level `volumes:`" in of_service("volumes: ['nowhere:/v']")[0]


def test_hints_for_thousands_of_mistakes_cost_little() -> None:
    networks = ", ".join(f"network{i}: {{}}" for i in range(250))
    used = ", ".join(f"netwrok{i}" for i in range(250))
    found = problems(f"services: {{web: {{image: x, networks: [{used}]}}}}\nnetworks: {{{networks}}}\n")
    assert len(found) == 250
    assert sum("did you mean" in one for one in found) == 50
    assert "did you mean" not in of_service(f"{'e' * 200}: 1")[0]


def test_circles_are_told_once_with_their_members() -> None:
    found = problems(
        """
        services:
          a: {image: x, depends_on: [b]}
          b: {image: x, links: [c]}
          c: {image: x, volumes_from: [a]}
          d: {image: x, depends_on: [a, e]}
          e: {image: x, network_mode: "service:d"}
          f: {image: x, depends_on: [f]}
        """
    )
    assert [one.split("circle: ")[1].split(" (")[0] for one in found] == ["a -> b -> c -> a", "d -> e -> d", "f -> f"]


def test_a_diamond_is_no_circle() -> None:
    assert problems("services: {a: {image: x, depends_on: [b, c]}, b: {image: x, depends_on: [d]}, "
                    "c: {image: x, depends_on: [d]}, d: {image: x}}") == []  # fmt: skip


def test_a_long_chain_of_services() -> None:
    count = 1500  # more than Python calls deep
    chain = "\n".join(f"  s{i}: {{image: x, depends_on: [s{i + 1}]}}" for i in range(count))
    assert problems(f"services:\n{chain}\n  s{count}: {{image: x}}\n") == []


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ("network_mode: host, networks: [default]", "TT1231"),
        ("network_mode: host, networks: {}", None),
        ("build: {dockerfile: a, dockerfile_inline: b}", "TT1231"),
        ("build: {platforms: [a]}, platform: b", "TT1232"),
        ("build: {platforms: [a, b]}, platform: b", None),
        ("healthcheck: {test: [curl]}", "TT1202"),
        ("healthcheck: {test: []}", None),
        ("scale: 1, deploy: {replicas: 2}", "TT1232"),
        ("scale: -1", "TT1204"),
        ("deploy: {replicas: -1}", "TT1204"),
        ("cpus: 1, deploy: {resources: {limits: {cpus: '2'}}}", "TT1232"),
        ("cpus: 1, deploy: {resources: {limits: {cpus: '1'}}}", None),
        ("cpus: 1, deploy: {resources: {reservations: {cpus: '2'}}}", None),
        ("mem_limit: 1k, deploy: {resources: {limits: {memory: 1024b}}}", None),
        ("mem_limit: 0, deploy: {resources: {limits: {memory: 1k}}}", None),
        ("mem_reservation: 1k, deploy: {resources: {reservations: {memory: 2k}}}", "TT1232"),
        ("pids_limit: 5, deploy: {resources: {limits: {pids: 6}}}", "TT1232"),
        ("container_name: name, scale: 2", "TT1236"),
        ("container_name: name, scale: 1", None),
        ("ports: ['80:80'], scale: 2", "TT1236"),
        ("ports: ['80-81:80'], scale: 2", None),
        ("ports: ['80'], scale: 2", None),
        ("ports: ['80:80'], deploy: {replicas: 2}", "TT1236"),
        ("tmpfs: [/a, '/a:size=1k']", "TT1233"),
        ("tmpfs: /a, volumes: [/a]", "TT1233"),
        ("volumes: [{type: volume}]", "TT1205"),
        ("volumes: [{type: bind, target: /a}]", "TT1205"),
        ("configs: [{target: /a}]", "TT1205"),
        ("devices: [{source: /a}]", "TT1205"),
        ("gpus: [{count: 1, device_ids: [a]}]", "TT1231"),
        ("deploy: {resources: {reservations: {devices: [{capabilities: [a], count: 1, device_ids: [a]}]}}}", "TT1231"),
        ("ports: [{target: 80, host_ip: nowhere}]", "TT1221"),
        ("ports: [{target: 80, host_ip: '::1'}]", None),
        ("ports: [{published: '80'}]", "TT1205"),
        ("ports: [{target: 80, published: http}]", "TT1214"),
        ("ports: [{target: 80, published: ''}]", None),
        ("networks: {default: {ipv4_address: 300.1.1.1}}", "TT1221"),
        ("networks: {default: {ipv6_address: '2001:db8::1'}}", None),
        ("develop: {watch: [{path: a, action: sync}]}", "TT1205"),
        ("develop: {watch: [{path: a, action: rebuild}]}", None),
        ("develop: {watch: [{path: '', action: rebuild}]}", "TT1202"),
    ],
)
def test_what_does_not_fit_together(attributes: str, code: str | None) -> None:
    assert codes(of_service(attributes)) == ([code] if code else [])


@pytest.mark.parametrize(
    ("service", "ok"),
    [("{command: a}", False), ("{image: ''}", False), ("{build: .}", True), ("{provider: {type: t}}", True)],
)
def test_a_service_runs_something(service: str, ok: bool) -> None:  # noqa: FBT001 - a table
    assert (problems(f"services: {{web: {service}}}") == []) is ok


def test_container_names_are_unique() -> None:
    text = "services: {a: {image: x, container_name: name}, b: {image: x, container_name: name}, c: {image: x}}"
    assert codes(problems(text)) == ["TT1235"]
    assert problems(text, enabled=["a", "c"]) == []


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        ("80:80", "80:81", True),
        ("80:80", "80:80/udp", False),
        ("127.0.0.1:80:80", "80:81", True),
        ("127.0.0.1:80:80", "127.0.0.2:80:81", False),
        ("127.0.0.1:80:80", "0.0.0.0:80:81", True),
        ("[::1]:80:80", "0.0.0.0:80:81", False),
        ("[::1]:80:80", "[::]:80:81", True),
        ("[::]:80:80", "0.0.0.0:80:81", False),
        ("80", "80", False),
        ("80-85:80", "80:81", False),
    ],
)
def test_port_clashes(first: str, second: str, clash: bool) -> None:  # noqa: FBT001 - a table
    text = f"services: {{a: {{image: x, ports: ['{first}']}}, b: {{image: x, ports: ['{second}']}}}}"
    assert codes(problems(text)) == (["TT1234"] if clash else [])
    assert problems(text, enabled=["a"]) == []


@pytest.mark.parametrize(
    ("section", "code"),
    [
        ("configs: {c: {}}", "TT1237"),
        ("configs: {c: {file: a, content: b}}", "TT1237"),
        ("configs: {c: {content: ''}}", None),
        ("configs: {c: {external: true}}", None),
        ("secrets: {s: {external: false}}", "TT1237"),
        ("secrets: {s: {environment: A}}", None),
        ("secrets: {s: {driver: d}}", None),
        ("volumes: {v: {external: true, driver: local}}", "TT1238"),
        ("volumes: {v: {external: true, name: n, x-a: 1}}", None),
        ("volumes: {v: }", None),
        ("networks: {n: {external: false, driver: bridge}}", None),
    ],
)
def test_top_level_resources(section: str, code: str | None) -> None:
    assert codes(problems(section)) == ([code] if code else [])


def test_attributes_of_external_networks_have_no_effect() -> None:
    model, _ = long_form("networks: {n: {external: true, driver: bridge}}")
    assert [(one.severity, one.code) for one in validate(model)] == [(Severity.WARNING, "TT1238")]


def test_sections_of_another_shape() -> None:
    assert codes(problems("services: text")) == ["TT1201"]
    assert codes(problems("services: {web: text}")) == ["TT1201"]
    assert codes(problems("volumes: [a]")) == ["TT1201"]
