"""What a container mounts: files of the commit by what they hold, and a reason and a way out for what cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.memory_tree import Content, Link, MemoryTree, Program, Submodule
from tests.support.rig import SHOP, Rig, application, shop
from trimtab.manifest.compose.load import load_compose
from trimtab.model.desired import ContentFile, DesiredState
from trimtab.model.diagnostics import Severity
from trimtab.model.keys import Kind, ResourceKey

WEB = ResourceKey(SHOP, Kind.CONTAINER, "web", 1)


def rendered(
    service: str, files: Mapping[str, Content] = {}, top: str = "", environment: Mapping[str, str] = {}
) -> DesiredState:
    """What a file with one service says, read from its text as from a commit."""
    text = "services:\n  web:\n    image: web:1\n" + service + top
    tree = MemoryTree({"compose.yaml": text, **files})
    result = load_compose(tree, ("compose.yaml",), project_name="shop", environment=environment)
    assert result.project is not None, [str(d) for d in result.diagnostics]
    return Rig(tree=tree).desired(application(result.project))


def mounts(state: DesiredState) -> Mapping[str, Mapping[str, Any]]:
    return state.resources[WEB].spec["Mounts"]  # type: ignore[return-value]  # a mapping of mappings


def files_of(state: DesiredState) -> dict[str, ContentFile]:
    (found,) = state.contents.values()
    return {file.path: file for file in found}


def told(state: DesiredState) -> tuple[str, Severity, str, str, str]:
    (one,) = state.diagnostics
    return one.code, one.severity, str(one.origin), one.message, one.hint


# -- files of the repository -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("./conf/site.conf", {"1": "conf/site.conf"}),
        ("./.htpasswd", {"1": ".htpasswd"}),
        ("./.well-known", {"1/security.txt": ".well-known/security.txt"}),
        ("./conf", {"1/run.sh": "conf/run.sh", "1/site.conf": "conf/site.conf"}),
    ],
)
def test_a_relative_path_is_exactly_that_path_of_the_commit(source: str, expected: dict[str, str]) -> None:
    tree: dict[str, Content] = {
        "conf/site.conf": "a",
        "conf/run.sh": Program(b"#!"),
        ".htpasswd": "right",
        "htpasswd": "wrong",
        ".well-known/security.txt": "right",
        "well-known/security.txt": "wrong",
    }
    state = rendered(f"    volumes: ['{source}:/x:ro']\n", tree)
    assert {path: file.tree_path for path, file in files_of(state).items()} == expected
    assert state.diagnostics == ()
    mount = mounts(state)["/x"]
    assert mount["Type"] == "bind"
    assert mount["ReadOnly"]
    assert str(mount["Source"]).startswith("content:shop_web_content-")


def test_the_root_of_the_repository_can_be_mounted() -> None:
    state = rendered("    volumes: ['.:/src:ro']\n", {".hidden": "", "a/b": ""})
    assert {file.tree_path for file in files_of(state).values()} == {".hidden", "a/b", "compose.yaml"}


def test_programs_stay_programs_and_links_stay_links_and_other_repositories_are_left_out() -> None:
    tree: dict[str, Content] = {
        "d/run": Program(b"#!"),
        "d/text": "t",
        "d/link": Link("text"),
        "d/gone": Link("nowhere"),
        "d/sub": Submodule(),
    }
    found = files_of(rendered("    volumes: ['./d:/d:ro']\n", tree))
    assert (found["1/run"].mode, found["1/text"].mode) == (0o555, 0o444)
    assert (found["1/link"].link_target, found["1/gone"].link_target) == ("text", "nowhere")
    assert "1/sub" not in found


def test_a_mount_follows_what_is_in_the_files_and_nothing_else() -> None:
    """Else every commit would replace every container."""

    def source(**files: Content) -> str:
        tree = {"d/a": "1", "other": "1", **{name.replace("_", "/"): content for name, content in files.items()}}
        return str(mounts(rendered("    volumes: ['./d:/d:ro']\n", tree))["/d"]["Source"])

    assert source() == source(other="2")
    assert source() != source(d_a="2")
    assert source() != source(d_a=Program(b"1"))
    assert source(d_l=Link("a")) != source(d_l=Link("b"))


def test_that_a_file_of_the_repository_cannot_be_written_to_is_told_where_the_file_does_not_say_so() -> None:
    state = rendered("    volumes:\n      - ./d:/d\n", {"d/a": "1"})
    code, severity, origin, message, hint = told(state)
    assert (code, severity, origin) == ("TT2114", Severity.WARNING, "compose.yaml:5:9")
    assert "./d is mounted read-only in service 'web'" in message
    assert "':ro'" in hint
    assert mounts(state)["/d"]["ReadOnly"]


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside"])
def test_a_link_that_leads_out_of_what_was_given_is_refused(target: str) -> None:
    state = rendered("    volumes:\n      - ./d:/d:ro\n", {"d/a": "1", "d/out": Link(target)})
    code, severity, origin, message, hint = told(state)
    assert (code, severity, origin) == ("TT2112", Severity.ERROR, "compose.yaml:5:9")
    assert "service 'web' mounts ./d, which leads out of the repository" in message
    assert "links inside a mounted directory" in hint
    assert "Mounts" not in state.resources[WEB].spec


@pytest.mark.parametrize("files", [{}, {"d": Submodule()}], ids=["nothing", "another repository"])
def test_what_is_not_in_the_repository_is_refused_and_never_made_empty(files: dict[str, Content]) -> None:
    """An engine would make an empty directory of it, and run on without the files."""
    volumes = {"web": {"image": "web:1", "volumes": [{"type": "bind", "source": "./d", "target": "/d"}]}}
    state = Rig(tree=MemoryTree(files)).desired(shop(volumes))
    code, severity, _, message, hint = told(state)
    assert (code, severity) == ("TT2113", Severity.ERROR)
    assert "mounts ./d, which is not in the repository" in message
    assert "commit it" in hint


# -- other mounts ------------------------------------------------------------------------------------------------------


def test_the_options_of_a_mount_are_the_engines() -> None:
    state = rendered(
        "    volumes:\n"
        "      - {type: volume, source: data, target: /v, volume: {nocopy: true, subpath: sub, labels: {b: 2, a: 1}}}\n"
        "      - {type: bind, source: /host, target: /b,"
        " bind: {propagation: rslave, create_host_path: true, recursive: readonly}}\n"
        "      - {type: bind, source: /plain, target: /p, bind: {create_host_path: false, recursive: enabled}}\n"
        "      - {type: tmpfs, target: /t, tmpfs: {size: 64m, mode: 0o1770}}\n"
        "      - {type: tmpfs, target: /u}\n"
        "      - {type: npipe, source: '\\\\.\\pipe\\x', target: /n}\n"
        "      - {type: volume, target: /anonymous}\n",
        top="volumes: {data: {}}\n",
    )
    found = mounts(state)
    assert state.diagnostics == ()
    assert found["/v"] == {
        "Type": "volume",
        "Source": "shop_data",
        "NoCopy": True,
        "Subpath": "sub",
        "Labels": {"a": "1", "b": "2"},
    }
    assert found["/b"] == {
        "Type": "bind",
        "Source": "/host",
        "Propagation": "rslave",
        "CreateMountpoint": True,
        "Recursive": "readonly",
    }
    assert found["/p"] == {"Type": "bind", "Source": "/plain"}
    assert found["/t"] == {"Type": "tmpfs", "TmpfsSize": 64 << 20, "TmpfsMode": 0o1770}
    assert found["/u"] == {"Type": "tmpfs"}
    assert found["/n"] == {"Type": "npipe", "Source": "\\\\.\\pipe\\x"}
    assert found["/anonymous"] == {"Type": "volume"}


@pytest.mark.parametrize(
    ("mount", "code", "word"),
    [
        ("{type: image, source: 'web:1', target: /i}", "TT2110", "use a volume, bind or tmpfs mount"),
        ("{type: bind, source: /h, target: /h, bind: {selinux: z}}", "TT2111", "label the directory on the host"),
    ],
)
def test_a_mount_that_a_plain_engine_cannot_do_is_refused(mount: str, code: str, word: str) -> None:
    found, severity, origin, message, hint = told(rendered(f"    volumes:\n      - {mount}\n"))
    assert (found, severity) == (code, Severity.ERROR)
    assert origin.startswith("compose.yaml:5")
    assert "service 'web'" in message
    assert word in hint


# -- configs and secrets -----------------------------------------------------------------------------------------------


def test_a_config_and_a_secret_are_where_and_whose_the_file_says() -> None:
    state = rendered(
        "    configs:\n"
        "      - plain\n"
        "      - {source: tree, target: /etc/tree, mode: 0o440, uid: '33', gid: '44'}\n"
        "    secrets:\n"
        "      - {source: key, target: renamed}\n"
        "      - file\n",
        {"c/tree.conf": "from the commit", ".secret": "hidden"},
        "configs: {plain: {content: given}, tree: {file: c/tree.conf}}\n"
        "secrets: {key: {environment: KEY}, file: {file: ./.secret}}\n",
        {"KEY": "s3cret"},
    )
    assert state.diagnostics == ()
    found = mounts(state)
    assert set(found) == {"/plain", "/etc/tree", "/run/secrets/renamed", "/run/secrets/file"}
    by_slot = files_of(state)
    files = {target: by_slot[str(mount["Source"]).rpartition("/")[2]] for target, mount in found.items()}
    tree = files["/etc/tree"]
    assert (tree.tree_path, tree.mode, tree.uid, tree.gid) == ("c/tree.conf", 0o440, 33, 44)
    assert (files["/plain"].data, files["/plain"].mode, files["/plain"].secret) == (b"given", 0o444, False)
    assert (files["/run/secrets/renamed"].data, files["/run/secrets/renamed"].secret) == (b"s3cret", True)
    assert (files["/run/secrets/file"].data, files["/run/secrets/file"].secret) == (b"hidden", True)


def test_a_secret_of_a_variable_that_is_not_set_says_where_to_set_it() -> None:
    code, severity, origin, message, hint = told(
        rendered("    secrets:\n      - key\n", top="secrets: {key: {environment: KEY}}\n")
    )
    assert (code, severity, origin) == ("TT2116", Severity.ERROR, "compose.yaml:5:9")
    assert "secrets.key takes its value from the variable KEY, which is not set" in message
    assert ".env" in hint


@pytest.mark.parametrize(
    ("definition", "code", "words"),
    [
        ({"external": True}, "TT2115", "secrets.key is external"),
        ({"file": "/root/key"}, "TT2117", "the file /root/key outside the repository"),
        ({"file": "./gone"}, "TT2118", "the file ./gone is not in the repository"),
        ({"file": "./out"}, "TT2118", "the file ./out is not in the repository"),
        ({"file": "./dir"}, "TT2118", "the file ./dir is not in the repository"),
        ({}, "TT2118", "the file (none given) is not in the repository"),
    ],
)
def test_a_secret_that_has_no_value_is_refused(definition: dict[str, object], code: str, words: str) -> None:
    tree = MemoryTree({"out": Link("/etc/shadow"), "dir/file": ""})
    service = {"image": "web:1", "secrets": [{"source": "key"}]}
    found, severity, _, message, hint = told(
        Rig(tree=tree).desired(shop({"web": service}, secrets={"key": definition}))
    )
    assert (found, severity) == (code, Severity.ERROR)
    assert words in message
    assert hint


def test_a_mode_is_octal_as_text_and_itself_as_a_number() -> None:
    """``docker compose config`` prints it as text."""
    items = [{"source": "c", "target": "/a", "mode": "0440"}, {"source": "c", "target": "/b", "mode": 0o440}]
    state = Rig().desired(shop({"web": {"image": "web:1", "configs": items}}, configs={"c": {"content": "x"}}))
    assert [file.mode for file in files_of(state).values()] == [0o440, 0o440]
