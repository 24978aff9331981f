from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.sources.errors import MalformedObject
from trimtab.sources.objects import TreeItem, parse_tree
from trimtab.sources.tree import parse_commit

OID = "1f" * 20
_NAMES = st.binary(min_size=1, max_size=20).filter(
    lambda n: b"\0" not in n and b"/" not in n and n not in (b".", b"..")
)
_MODES = st.sampled_from([0o100644, 0o100755, 0o120000, 0o40000, 0o160000])


def raw(items: list[tuple[int, bytes, bytes]]) -> bytes:
    return b"".join(b"%o %s\0%s" % (mode, name, oid) for mode, name, oid in items)


@pytest.mark.parametrize("id_bytes", [20, 32])
@given(data=st.data())
def test_a_tree_is_read_back_whatever_its_names(id_bytes: int, data: st.DataObject) -> None:
    oids = st.binary(min_size=id_bytes, max_size=id_bytes)
    items = data.draw(st.lists(st.tuples(_MODES, _NAMES, oids), max_size=8))
    parsed = parse_tree(raw(items), "0" * id_bytes * 2)
    expected = tuple(TreeItem(n.decode("utf-8", "surrogateescape"), m, o.hex()) for m, n, o in items)
    assert parsed == expected


@pytest.mark.parametrize("name", [b".", b"..", b"", b"a/b", b"/etc", b"../../x"])
def test_a_name_that_leads_elsewhere_is_refused(name: bytes) -> None:
    with pytest.raises(MalformedObject):
        parse_tree(raw([(0o100644, name, bytes(20))]), OID)


@given(st.binary(max_size=80))
def test_any_bytes_are_a_tree_or_malformed(content: bytes) -> None:
    try:
        parse_tree(content, OID)
    except MalformedObject as err:
        assert OID in str(err)  # noqa: PT017 - either outcome is right


COMMIT = b"""tree %s
parent %s
author Ada Lovelace <ada@example.com> 1700000000 +0130
committer Grace <grace@example.com> 1700000100 -0800
gpgsig -----BEGIN PGP SIGNATURE-----
 author Mallory <m@example.com> 1 +0000
 -----END PGP SIGNATURE-----

bigger banner

and why
""" % (b"2e" * 20, b"3d" * 20)


def test_a_commit_tells_its_facts() -> None:
    facts = parse_commit(OID, COMMIT)
    assert (facts.author, facts.subject, facts.parents) == ("Ada Lovelace", "bigger banner", ("3d" * 20,))
    assert facts.tree_oid == "2e" * 20
    assert facts.committed_at.timestamp() == 1700000100
    assert facts.committed_at.utcoffset() == timedelta(hours=-8)
    assert facts.message == "bigger banner\n\nand why"


@pytest.mark.parametrize(
    ("line", "author"),
    [
        (b"author  <x@y> 1 +0000", "x@y"),
        (b"author J\xf6rg <x@y> 1 +0000", "Jörg"),
        (b"author A <b> C <x@y> 1 +0000", "A"),
    ],
)
def test_odd_authors_have_names(line: bytes, author: str) -> None:
    content = COMMIT.replace(
        b"author Ada Lovelace <ada@example.com> 1700000000 +0130", line + b"\nencoding ISO-8859-1", 1
    )
    assert parse_commit(OID, content).author == author


@given(st.binary(max_size=200))
def test_any_bytes_are_a_commit_or_malformed(content: bytes) -> None:
    with pytest.raises(MalformedObject):
        parse_commit(OID, content)
    cut = COMMIT[: len(content)]
    try:
        parse_commit(OID, cut + content)
    except MalformedObject as err:
        assert OID in str(err)  # noqa: PT017 - either outcome is right
