"""``adopt --generate``: for whatever runs, the file that is written plans nothing. On the real engine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from typer.testing import CliRunner

from tests.support.composed import Composed
from tests.support.driving import Driving, driving
from tests.support.engine import BASE_IMAGE, EngineScope
from tests.unit.backends.engine.specs import PEER, SHARED, container_specs
from trimtab.backends.engine.adoptions import Adopted
from trimtab.cli.generate import as_yaml, described_containers, first_look
from trimtab.cli.main import app as command
from trimtab.config import Config
from trimtab.model.keys import Kind

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore::ResourceWarning")]

# Each costs about half a second; ADOPT_EXAMPLES is for looking further, once.
EXAMPLES = int(os.environ.get("ADOPT_EXAMPLES", "12"))


@dataclass(frozen=True)
class Stage:
    """A compose project with what generated specifications refer to."""

    drive: Driving
    composed: Composed
    config: Config

    def container(self, service: str, spec: Mapping[str, Mapping[str, Any]]) -> str:
        """Create one as a stranger would; its id."""
        step = self.drive.container(service, **{part: dict(fields) for part, fields in spec.items()})
        labels = {
            "com.docker.compose.project": self.drive.name,
            "com.docker.compose.service": service,
            "com.docker.compose.container-number": "1",
            "com.docker.compose.oneoff": "False",
        }
        return self.drive.do(replace(step, labels=labels))["id"]


def as_a_file_could_say(spec: Mapping[str, Mapping[str, Any]], *names: str) -> dict[str, dict[str, Any]]:
    """Every network knows it by its names, and by the same links; other than that no compose file has it."""
    networks = spec.get("Networks", {})
    links = sorted({link for endpoint in networks.values() for link in endpoint.get("Links", ())})
    said = {
        network: {
            **{key: value for key, value in endpoint.items() if key != "Links"},
            **({"Links": links} if links else {}),
            "Aliases": sorted({*endpoint.get("Aliases", ()), *names}),
        }
        for network, endpoint in networks.items()
    }
    return {**{part: dict(fields) for part, fields in spec.items()}, **({"Networks": said} if said else {})}


def startable(spec: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether its published ports leave each other room: the engine finds out at the start only."""
    taken: dict[tuple[str, str], list[str]] = {}
    for port, bindings in spec.get("HostConfig", {}).get("PortBindings", {}).items():
        for binding in bindings or ():
            if binding.get("HostPort"):
                place = (port.partition("/")[2] or "tcp", str(binding["HostPort"]))
                taken.setdefault(place, []).append(binding.get("HostIp") or "0.0.0.0")
    everywhere = {"0.0.0.0", "::"}
    return all(len(set(ips)) == len(ips) and (len(ips) == 1 or not everywhere & set(ips)) for ips in taken.values())


@pytest.fixture(scope="module")
def stage(module_scope: EngineScope, engine_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with driving(module_scope.name, engine_url) as drive:
        composed = Composed(module_scope, module_scope.name)
        composed.network("front")
        composed.network("back", ipam={"Config": [{"Subnet": "10.213.77.0/24"}]})
        pools = [{"Subnet": "10.213.79.0/24"}, {"Subnet": "fd00:beef::/64"}]
        composed.network("six", enable_ipv6=True, ipam={"Config": pools})
        composed.volume("data")
        composed.volume("labelled")
        config = Config(
            data_dir=tmp_path_factory.mktemp("data"), installation=module_scope.name, docker_host=engine_url
        )
        made = Stage(drive, composed, config)
        front = f"{drive.name}_front"
        peer = made.container(PEER, {"HostConfig": {"NetworkMode": front}, "Networks": {front: {"Aliases": [PEER]}}})
        shared = made.container(SHARED, {"HostConfig": {"IpcMode": "shareable"}})
        # References to them are resolved through what is known as ours.
        drive.driver.suppose(
            [
                Adopted(key=drive.key(Kind.CONTAINER, service), handle=handle, name=f"{drive.name}-{service}-1")
                for service, handle in ((PEER, peer), (SHARED, shared))
            ]
        )
        yield made


def test_a_written_file_brings_its_secrets_apart_and_is_adopted_with_the_same_ids(
    scope: EngineScope, tmp_path: Path
) -> None:
    api, name = scope.api, f"{scope.name}-web"
    api.create_network(f"{scope.name}-net", driver="bridge", labels=dict(scope.labels))
    volume = api.create_volume(f"{scope.name}-data", labels=dict(scope.labels))["Name"]
    made = api.create_container(
        BASE_IMAGE, ["sleep", "86400"], name=name, ports=[80], labels={"cost": "$5"}, volumes=["/anonymous"],
        environment={"DB_PASSWORD": "pa$$'word", "DB_URL": "pg://u:hidden@db/x", "PLAIN": "$HOME"},
        host_config=api.create_host_config(
            init=True, network_mode=f"{scope.name}-net", port_bindings={80: ("127.0.0.1", None)}, mem_limit=64 << 20,
            binds=[f"{volume}:/data"], restart_policy={"Name": "unless-stopped"}, cap_drop=["MKNOD"],
        ),
    )  # fmt: skip
    api.start(made["Id"])
    place = ["--data-dir", str(tmp_path / "data"), "--installation", scope.name]
    folder = tmp_path / "app"
    folder.mkdir()

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(command, [*arguments, *place])
        assert done.exit_code == 0, done.output
        return str(done.output)

    printed = run("adopt", "--generate", "--container", name)
    said = run("adopt", "--generate", "--container", name, "--out", str(folder))
    text = (folder / "compose.yaml").read_text(encoding="utf-8")
    assert "hidden" not in text + said + printed
    assert "word" not in text.replace("DB_PASSWORD", "")
    assert "${DB_PASSWORD:?}" in text
    env = folder / ".env"
    assert env.stat().st_mode & 0o777 == 0o600
    assert "pa$$" in env.read_text(encoding="utf-8").replace("\\", "")
    assert (folder / ".gitignore").read_text(encoding="utf-8") == "/.env\n"
    assert "the first plan is empty" in said
    assert "external" not in text
    again = CliRunner().invoke(command, ["adopt", "--generate", "--container", name, "--out", str(folder), *place])
    assert again.exit_code == 1
    assert "nothing is overwritten" in again.output

    assert "nothing to do" in run("adopt", str(folder), "--container", name, "--yes")
    assert "Plan: nothing to do." in run("plan", str(folder))
    assert "nothing to do" in run("apply", str(folder), "--yes")
    assert [item["Id"] for item in scope.containers()] == [made["Id"]]
    # A replacement is what the first one was, secrets, data and anonymous volume included.
    before = api.inspect_container(made["Id"])
    (folder / "compose.yaml").write_text(text.replace("$$5", "$$6"), encoding="utf-8")
    run("apply", str(folder), "--yes")
    after = api.inspect_container(name)
    assert after["Id"] != made["Id"]
    assert sorted(after["Config"]["Env"]) == sorted(before["Config"]["Env"])
    assert {m["Name"] for m in after["Mounts"]} == {m["Name"] for m in before["Mounts"]}


def test_what_is_written_plans_nothing_for_what_runs(stage: Stage) -> None:
    drive = stage.drive
    cgroup_v1 = drive.driver.facts().cgroup_version == "1"

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(spec=container_specs(drive.name, drive.client.api_version, cgroup_v1=cgroup_v1).filter(startable))
    def property_(*, spec: dict[str, dict[str, object]]) -> None:
        container_id = stage.container("any", as_a_file_could_say(spec, "any", f"{drive.name}-any-1"))
        try:
            described, kept = described_containers(stage.config, project=drive.name, containers={}, name="")
            text = as_yaml(described)
            look = first_look(stage.config, text, described.variables.env_file(), kept)
            acting = [
                (change.name, change.verb, [(f.path, f.before, f.after) for f in change.fields])
                for change in look.plan.changes
                # It was created and never started, which is nothing that a file says.
                if change.acts and {field.path for field in change.fields} != {"/State/Status"}
            ]
            assert acting == [], text
            assert look.verdict.diagnostics == (), text
        finally:
            drive.discard(container_id)

    property_()
