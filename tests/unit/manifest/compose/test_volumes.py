from __future__ import annotations

import pytest

from tests.support.compose_text import long_form, service
from trimtab.manifest.compose.volumes import clean_path
from trimtab.manifest.nodes import to_plain


def _mount(entry: str) -> object:
    attributes, codes = service(f"volumes: [{entry}]")
    assert codes == []
    mounts = attributes["volumes"]
    assert isinstance(mounts, list)
    return mounts[0]


def test_named_and_anonymous_volumes() -> None:
    assert _mount("/d") == {"type": "volume", "target": "/d"}
    assert _mount("/data") == {"type": "volume", "target": "/data", "volume": {}}
    assert _mount("v-1:/data") == {"type": "volume", "source": "v-1", "target": "/data", "volume": {}}
    assert _mount("'v-1:/data:ro,nocopy'") == {
        "type": "volume",
        "source": "v-1",
        "target": "/data",
        "read_only": True,
        "volume": {"nocopy": True},
    }


def test_binds() -> None:
    made = {"create_host_path": True}
    assert _mount("./a:/a") == {"type": "bind", "source": "./a", "target": "/a", "bind": made}
    assert _mount("/a:/a:rw") == {"type": "bind", "source": "/a", "target": "/a", "bind": made}
    assert _mount("'~/a:/a:z,rslave'") == {
        "type": "bind",
        "source": "~/a",
        "target": "/a",
        "bind": {**made, "selinux": "z", "propagation": "rslave"},
    }
    assert _mount(r"'C:\a:/a'") == {"type": "bind", "source": "C:\\a", "target": "/a", "bind": made}


def test_of_ro_and_rw_the_last_counts() -> None:
    assert "read_only" not in str(_mount("'v-1:/data:ro,rw'"))
    assert "read_only" in str(_mount("'v-1:/data:rw,ro'"))


def test_the_long_form_is_not_created_on_the_host() -> None:
    assert _mount("{type: bind, source: ./a, target: /a/, read_only: 'true'}") == {
        "type": "bind",
        "source": "./a",
        "target": "/a",
        "read_only": True,
    }


@pytest.mark.parametrize("entry", ["", ":/data", "vol:", "vol::ro", "vol:/a:ro:z"])
def test_what_is_no_mount_is_told_and_kept(entry: str) -> None:
    assert service(f"volumes: ['{entry}']") == ({"volumes": [entry]}, ["TT1215"])


def test_an_unknown_option_is_told() -> None:
    assert service("volumes: ['vol:/a:fast']")[1] == ["TT1215"]


def test_modes_of_tmpfs_are_octal_in_texts() -> None:
    attributes, codes = service("volumes: [{type: tmpfs, target: /t, tmpfs: {mode: '0700', size: 1k}}]")
    assert attributes["volumes"] == [{"type": "tmpfs", "target": "/t", "tmpfs": {"mode": 448, "size": "1024"}}]
    assert codes == []


@pytest.mark.parametrize(("path", "clean"), [("//a//b/", "/a/b"), ("/a/../b", "/b"), ("/", "/"), ("a/.", "a")])
def test_clean_paths(path: str, clean: str) -> None:
    assert clean_path(path) == clean


def test_external_with_a_name_is_the_old_form() -> None:
    model, diagnostics = long_form("volumes: {v: {external: {name: old}}, w: {external: {name: a}, name: b}}")
    assert to_plain(model) == {
        "volumes": {"v": {"external": True, "name": "old"}, "w": {"external": True, "name": "b"}}
    }
    assert [one.code for one in diagnostics] == ["TT1208", "TT1208", "TT1232"]


def test_external_with_nothing_below_is_external() -> None:
    model, _ = long_form("volumes: {v: {external: {}}}")
    assert to_plain(model) == {"volumes": {"v": {"external": True}}}
