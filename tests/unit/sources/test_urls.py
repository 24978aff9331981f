from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.sources.errors import InvalidUrl
from trimtab.sources.urls import parse_url, scrub

INJECTIONS = [
    "",
    " ",
    "-",
    "--upload-pack=touch /tmp/x",
    "--config=core.sshCommand=id",
    "-oProxyCommand=id",
    "ext::sh -c id",
    "EXT::sh -c id",
    "Ext::id",
    "fd::3",
    "::sh",
    "a::b",
    "foo.bar::http://host/x",
    "http::http://host/x",
    "ext://sh/c",
    "git://host/repo.git",
    "git+ssh://host/repo.git",
    "ftp://host/repo.git",
    "javascript://host/x",
    "https://",
    "https:///repo.git",
    "https://host",
    "https://host/",
    "https://-oProxyCommand=id/repo.git",
    "ssh://-oProxyCommand=id/repo.git",
    "ssh://-oProxyCommand=id@host/repo.git",
    "ssh://git@-oProxyCommand=id/repo.git",
    "ssh://a b@host/repo.git",
    "ssh://git:secret@host/repo.git",
    "ssh://host:0/repo.git",
    "ssh://host:99999/repo.git",
    "ssh://host:22x/repo.git",
    "-oProxyCommand=id:repo.git",
    "host:-oProxyCommand=id",
    "git@host:--upload-pack=id",
    "git@-host:repo.git",
    "-git@host:repo.git",
    "@host:repo.git",
    "git@:repo.git",
    "git@host:",
    "https://host/repo.git\n",
    "https://host/repo.git\nhost=evil",
    "https://host/re%0apo.git",
    "https://us%0aer@host/repo.git",
    "https://user:pa%00ss@host/repo.git",
    "https://host/repo\0.git",
    "https://host\\@evil/repo.git",
    "https://host/repo.git?x=y",
    "https://host/repo.git?",
    "https://host/repo.git#main",
    "https://169.254.169.254/latest/meta-data",
    "https://[::ffff:169.254.169.254]/x",
    "https://[fe80::1]/x",
    "https://[fe80::1%25eth0]/x",
    "https://2852039166/x",
    "https://0xa9fea9fe/x",
    "https://0251.0376.0251.0376/x",
    "https://169.254.43518/x",
    "https://metadata.google.internal/x",
    "https://METADATA.google.internal/x",
    "https://0.0.0.0/x",
    "https://[::]/x",
    "git@169.254.169.254:x",
    "http://host/repo.git",
    "HTTP://host/repo.git",
    "file://host/repo",
    "file://",
    "file:///re%0apo",
    "\tfile:///repo",
    "https://ho st/repo.git",
    "https://host..name/x",
    "https://host/\u202egit.oper",
]


@pytest.mark.parametrize("text", INJECTIONS)
def test_nothing_that_could_be_an_option_a_command_or_another_host_passes(text: str) -> None:
    with pytest.raises(InvalidUrl):
        parse_url(text)


@pytest.mark.parametrize(
    ("text", "scheme", "host", "shown"),
    [
        ("https://git.example.com/shop.git", "https", "git.example.com", "https://git.example.com/shop.git"),
        ("HTTPS://Git.Example.com:8443/shop", "https", "git.example.com", "https://git.example.com:8443/shop"),
        ("https://ada:s3cret@host/a/b.git", "https", "host", "https://host/a/b.git"),
        ("https://t0ken@host/a.git", "https", "host", "https://host/a.git"),
        ("https://[2001:db8::1]:8443/a.git", "https", "[2001:db8::1]", "https://[2001:db8::1]:8443/a.git"),
        ("ssh://git@host:2222/a.git", "ssh", "host", "ssh://git@host:2222/a.git"),
        ("ssh://host/~ada/a.git", "ssh", "host", "ssh://host/~ada/a.git"),
        ("git@host:team/a.git", "ssh", "host", "git@host:team/a.git"),
        ("host:a.git", "ssh", "host", "host:a.git"),
        ("git@[2001:db8::1]:a.git", "ssh", "[2001:db8::1]", "git@[2001:db8::1]:a.git"),
        ("http://127.0.0.1:8080/a.git", "http", "127.0.0.1", "http://127.0.0.1:8080/a.git"),
        ("http://localhost/a.git", "http", "localhost", "http://localhost/a.git"),
        ("file:///srv/a%20b.git", "file", "", "file:///srv/a b.git"),
        ("/srv/a.git", "file", "", "/srv/a.git"),
        ("./a:b", "file", "", "./a:b"),
        ("~/shop", "file", "", "~/shop"),
        ("shop", "file", "", "shop"),
    ],
)
def test_an_allowed_address_is_kept_without_its_credential(text: str, scheme: str, host: str, shown: str) -> None:
    url = parse_url(text)
    assert (url.scheme, url.host, url.text) == (scheme, host, shown)


def test_the_credential_of_a_url_is_taken_out_and_decoded() -> None:
    url = parse_url("https://ada:p%40ss%2Fword@host/x")
    assert (url.username, url.password) == ("ada", "p@ss/word")
    assert "p@ss" not in repr(url)
    assert "p%40ss" not in url.text


def test_plain_http_needs_a_word() -> None:
    assert parse_url("http://gitea.lan:3000/x", allow_plain_http=True).scheme == "http"


_TEXT = st.text(alphabet=string.printable + "é\u202e\0", max_size=60)


@given(_TEXT)
def test_any_text_is_refused_or_safe_as_one_argument(text: str) -> None:
    try:
        url = parse_url(text)
    except InvalidUrl as err:
        assert "\n" not in str(err)  # noqa: PT017 - either outcome is right
        return
    assert not url.text.startswith("-")
    assert url.text.isprintable()
    assert not url.host.startswith("-")
    assert "::" not in url.text.split("[")[0].split("/")[0]
    assert url.scheme in ("https", "http", "ssh", "file")


@given(
    st.from_regex(r"[a-z]{1,8}", fullmatch=True),
    st.text(alphabet=string.ascii_letters + string.digits + "!$&'()*+,;=", min_size=6, max_size=20),
)
def test_a_password_is_in_no_error_and_no_shown_address(user: str, password: str) -> None:
    secret = f"zq{password}qz"
    for text in (f"https://{user}:{secret}@host/x", f"https://{secret}@host/x", f"bad://{user}:{secret}@host/x"):
        try:
            shown = parse_url(text).text
        except InvalidUrl as err:
            shown = str(err)
        assert secret not in shown


def test_scrub_hides_credentials_of_any_url_and_given_secrets() -> None:
    text = "fatal: https://ada:pw@host/x and https://tok@host/y, ssh://git@host/z, ssh://git:pw@host, raw s%2Fx and s/x"
    assert scrub(text, ["s/x"]) == (
        "fatal: https://***@host/x and https://***@host/y, ssh://git@host/z, ssh://git:***@host, raw *** and ***"
    )


@pytest.mark.parametrize(
    "text",
    [
        "https://ada:can/ary@host/x", "http://ada:can ary@host/x", "ftp://ada:can/ary@host/x",
        "ssh://git:can/ary@host/x", "https://to\u00a0ken:canary@host/x", "https://ada:canary @host :x/",
        "https:/ada:canary@host/x", "https:ada:canary@host/x", "ada:canary@host:x", "https://ada:canary@host/x\n",
        "https://ada:canary@host/x?a=canary", "https://ada:can\\ary@host/x",
    ],
)  # fmt: skip
def test_not_even_an_address_that_cannot_be_read_is_quoted_with_its_password(text: str) -> None:
    with pytest.raises(InvalidUrl) as refused:
        parse_url(text)
    assert "ary" not in str(refused.value)
