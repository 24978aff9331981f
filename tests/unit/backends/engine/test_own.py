"""Which container a process runs in, by what the kernel shows; and how a helper is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from trimtab.backends.engine.handover import VERB, helper_spec
from trimtab.backends.engine.own import candidates
from trimtab.errors import UnsupportedByBackend

ID, OTHER = "a1" * 32, "b2" * 32
MOUNTS = f"""\
1 2 0:1 / / rw - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/{OTHER}/diff
3 2 0:2 / /host/var/lib/docker/containers/{OTHER}/mounts/shm rw - tmpfs shm rw
4 2 8:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/sda1 rw
"""


@pytest.fixture(autouse=True)
def _no_short_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "a-machine")


def test_the_files_that_the_engine_binds_tell_and_no_other_mount_does(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTS, encoding="utf-8")
    assert list(candidates(tmp_path)) == [ID]


@pytest.mark.parametrize(
    "line", [f"9:name=systemd:/docker/{ID}", f"0::/system.slice/docker-{ID}.scope", f"1:cpu:/kubepods/pod1/{ID}"]
)
def test_the_control_group_tells(tmp_path: Path, line: str) -> None:
    (tmp_path / "cgroup").write_text(f"{line}\n", encoding="utf-8")
    assert list(candidates(tmp_path)) == [ID]


def test_the_name_of_the_machine_is_the_last_resort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(candidates(tmp_path)) == []
    monkeypatch.setattr("socket.gethostname", lambda: ID[:12])
    assert list(candidates(tmp_path)) == [ID[:12]]


IMAGE = {"Entrypoint": ["tini", "--", "trimtab"], "Cmd": ["run", "--config", "/etc/t.yaml"]}
ARGUMENTS = [VERB, "--old", "1"]


@pytest.mark.parametrize(
    ("config", "entrypoint", "command"),
    [
        ({}, None, [*ARGUMENTS, "--config", "/etc/t.yaml"]),
        ({"Cmd": ["run", "--config=/c.yaml", "--listen", "off"]}, None, [*ARGUMENTS, "--config=/c.yaml"]),
        ({"Cmd": ["run", "--repo", "x"]}, None, ARGUMENTS),
        ({"Cmd": ["chroot", "/host", "trimtab", "run", "run"]}, None, ["chroot", "/host", "trimtab", *ARGUMENTS]),
        ({"Entrypoint": ["trimtab", "run"]}, ["trimtab"], ARGUMENTS),
        ({"Entrypoint": ["trimtab"], "Cmd": ["run"]}, ["trimtab"], ARGUMENTS),
    ],
)
def test_a_helper_runs_the_same_program(config: dict[str, object], entrypoint: object, command: list[str]) -> None:
    spec = helper_spec({"Config": {"Image": "t:2", **config}}, IMAGE, ARGUMENTS)
    assert spec["Config"].get("Entrypoint") == entrypoint
    assert spec["Config"]["Cmd"] == command
    assert spec["Config"]["Image"] == "t:2"


def test_a_helper_has_what_leads_to_the_engine_and_nothing_else() -> None:
    spec = helper_spec(
        {
            "Config": {
                "Image": "t",
                "Env": {"DOCKER_HOST": "tcp://proxy:2375", "TRIMTAB_DOCKER_HOST": "tcp://p:1", "TOKEN": "secret"},
                "Labels": {"a": "b"},
            },
            "HostConfig": {"NetworkMode": "n", "PortBindings": {"1/tcp": []}, "GroupAdd": ["1"], "Memory": 5},
            "Mounts": {"/s": {"Type": "bind", "Source": "/s"}, "/anonymous": {"Type": "volume"}},
            "Networks": {"n": {"Aliases": ["controller"], "IPv4Address": "10.0.0.2"}},
        },
        IMAGE,
        ARGUMENTS,
    )
    assert spec["Config"]["Env"] == {"DOCKER_HOST": "tcp://proxy:2375", "TRIMTAB_DOCKER_HOST": "tcp://p:1"}
    assert "Labels" not in spec["Config"]
    assert spec["HostConfig"] == {
        "NetworkMode": "n",
        "GroupAdd": ["1"],
        "RestartPolicy": {"Name": "always", "MaximumRetryCount": 0},
    }
    assert spec["Mounts"] == {"/s": {"Type": "bind", "Source": "/s"}}
    assert spec["Networks"] == {"n": {}}


def test_a_command_that_hides_what_it_runs_cannot_be_helped() -> None:
    with pytest.raises(UnsupportedByBackend, match="word of its own"):
        helper_spec({"Config": {"Entrypoint": ["sh", "-c", "exec trimtab run"]}}, IMAGE, ARGUMENTS)
