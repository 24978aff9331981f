"""Which repository addresses are let through to Git, and how they are shown: never with a credential."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from trimtab.sources.errors import InvalidUrl

if TYPE_CHECKING:
    from collections.abc import Iterable

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
# gitremote-helpers(7): "<transport>::<address>" runs the program git-remote-<transport>.
_HELPER = re.compile(r"[A-Za-z0-9+._-]*::")
_SCP = re.compile(r"(?:(?P<user>[^@/:]*)@)?(?P<host>\[[^\]/]*\]|[^/:@\[\]]*):(?P<path>.*)", re.DOTALL)
_NO_SLASHES = re.compile(r"(?i)(?:https?|ssh|file):/?[^/]")
_SCP_PASSWORD = re.compile(r"[^/@:]+:[^/@]*@[^/@:]+:")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
# Anything the C library's inet_aton would take for an address: decimal, octal and hexadecimal forms.
_NUMERIC = re.compile(r"(?:0[xX][0-9a-fA-F]*|[0-9]+)(?:\.(?:0[xX][0-9a-fA-F]*|[0-9]+))*")
_METADATA_HOSTS = frozenset({"metadata", "metadata.google.internal", "instance-data"})
_CREDENTIAL = re.compile(r"(?i)\b(?!ssh://)([a-z][a-z0-9+.-]*://)[^/\s]*@")
_SSH_PASSWORD = re.compile(r"(?i)\b(ssh://[^/\s:@]*):[^/\s]*@")
_LONGEST = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryUrl:
    """An address that passed every check; ``text`` carries no credential and is what Git and people get.

    ``scheme`` is Git's protocol name: https, http, ssh or file. ``path`` is the directory of a file one.
    """

    text: str
    scheme: str
    host: str = ""
    port: int | None = None
    path: str = ""
    username: str = ""
    password: str = field(default="", repr=False)

    @property
    def is_local(self) -> bool:
        """Whether the repository is a directory of this machine."""
        return self.scheme == "file"

    @property
    def authority(self) -> str:
        """Host and port, as Git names them when it asks for a password."""
        return f"{self.host}:{self.port}" if self.port else self.host


def parse_url(text: str, *, allow_plain_http: bool = False) -> RepositoryUrl:
    """Check a repository's address and take the credential out of it.

    Plain http is for the loopback interface, unless ``allow_plain_http``.

    Raises:
        InvalidUrl: the scheme is not https, ssh or file, or a part could be taken for an option or a command.
    """
    shown = _shown(text)
    if not text or len(text) > _LONGEST:
        raise InvalidUrl("a repository's address is empty or too long", hint=_FORMS)
    if not text.isprintable():
        raise InvalidUrl(f"the repository address {shown!a} has control characters", hint=_FORMS)
    if text != text.strip() or text.startswith("-"):
        raise InvalidUrl(f"the repository address '{shown}' starts with '-' or a space, or ends in one", hint=_FORMS)
    if _HELPER.match(text):
        raise InvalidUrl(
            f"the repository address '{shown}' names a remote helper, which could run anything", hint=_FORMS
        )
    scheme = _SCHEME.match(text)
    if scheme is not None:
        return _with_scheme(text, scheme[1].lower(), shown, allow_plain_http=allow_plain_http)
    if _NO_SLASHES.match(text) or _SCP_PASSWORD.match(text):
        # Not shown: what Git would take for a path may be a password.
        raise InvalidUrl("the repository address has a password where none can be, or lacks a slash", hint=_FORMS)
    if (scp := _SCP.fullmatch(text)) is not None:
        return _scp_like(scp, shown)
    return RepositoryUrl(text=text, scheme="file", path=text)


def scrub(message: str, secrets: Iterable[str] = ()) -> str:
    """``message`` without the credentials of URLs and without any of ``secrets``, raw or percent-encoded."""
    for secret in sorted({form for s in secrets if s for form in (s, quote(s, safe=""))}, key=len, reverse=True):
        message = message.replace(secret, "***")
    return _SSH_PASSWORD.sub(r"\1:***@", _CREDENTIAL.sub(r"\1***@", message))


def _shown(text: str) -> str:
    """An address for messages, also when it is so malformed that nobody can tell where its credential ends."""
    scheme, slashes, rest = scrub(text).partition("://")
    head, at, tail = rest.rpartition("@")
    unknown = head.rpartition("@")[2]
    if slashes and at and ":" in unknown and not unknown.endswith(":***"):
        return f"{scheme}://***@{tail}"
    return f"{scheme}{slashes}{rest}"


_FORMS = "use https://host/path.git, ssh://user@host/path.git, user@host:path.git, file:///path or a directory"


def _with_scheme(text: str, scheme: str, shown: str, *, allow_plain_http: bool) -> RepositoryUrl:
    if scheme not in ("https", "http", "ssh", "file"):
        raise InvalidUrl(f"the scheme of '{shown}' is not allowed", hint=_FORMS)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as err:
        raise InvalidUrl(f"'{shown}' is not a URL", hint=_FORMS) from err
    if parts.query or parts.fragment or text.endswith(("?", "#")):
        raise InvalidUrl(
            f"'{_without_query(shown)}' has a query or a fragment",
            hint="put a token into the credential, not the address",
        )
    path = _decoded(parts.path, shown)
    if "\\" in text:
        # Some parsers take it for a slash: two of them would see two hosts.
        raise InvalidUrl(f"'{shown}' has a backslash", hint=_FORMS)
    if scheme == "file":
        return _file_url(parts.netloc, path, shown)
    userinfo, at, _ = parts.netloc.rpartition("@")
    user, _, password = userinfo.partition(":")
    user, password = _decoded(user, shown), _decoded(password, shown)
    host = _checked_host(parts.hostname or "", shown)
    if port == 0 or not path.strip("/"):
        raise InvalidUrl(f"'{shown}' has no path, or port 0", hint=_FORMS)
    if scheme == "http" and not (allow_plain_http or _is_loopback(host)):
        raise InvalidUrl(f"'{shown}' is plain http, which anyone on the way can read and change", hint="use https")
    shown_host = f"[{host}]" if ":" in host else host
    authority = f"{shown_host}:{port}" if port else shown_host
    if scheme == "ssh":
        if password or (at and not _USER.fullmatch(user)):
            raise InvalidUrl(f"'{shown}' has a password or an unusable user name", hint="use a key file for ssh")
        return RepositoryUrl(
            text=f"ssh://{user}{at}{authority}{parts.path}",
            scheme=scheme,
            host=shown_host,
            port=port,
            path=path,
            username=user,
        )
    return RepositoryUrl(
        text=f"{scheme}://{authority}{parts.path}",
        scheme=scheme,
        host=shown_host,
        port=port,
        path=path,
        username=user,
        password=password,
    )


def _file_url(host: str, path: str, shown: str) -> RepositoryUrl:
    if host not in ("", "localhost") or not path.startswith("/"):
        raise InvalidUrl(f"'{shown}' is not the URL of a directory of this machine", hint="write file:///path")
    return RepositoryUrl(text=f"file://{path}", scheme="file", path=path)


def _scp_like(match: re.Match[str], shown: str) -> RepositoryUrl:
    user, host, path = match["user"], match["host"], match["path"]
    host = _checked_host(host[1:-1] if host.startswith("[") else host, shown)
    if user is not None and not _USER.fullmatch(user):
        raise InvalidUrl(f"the user name in '{shown}' is unusable", hint=_FORMS)
    if not path or path.startswith("-"):
        raise InvalidUrl(f"the path in '{shown}' is empty or starts with '-'", hint=_FORMS)
    shown_host = f"[{host}]" if ":" in host else host
    return RepositoryUrl(
        text=f"{user}@{shown_host}:{path}" if user else f"{shown_host}:{path}",
        scheme="ssh",
        host=shown_host,
        path=path,
        username=user or "",
    )


def _checked_host(host: str, shown: str) -> str:
    """The host, lower case and without brackets, if it is a name or an address one may connect to."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if not _HOST.fullmatch(host) or ".." in host or _NUMERIC.fullmatch(host):
            raise InvalidUrl(f"the host in '{shown}' is not a name or an address", hint=_FORMS) from None
        if host.lower().rstrip(".") in _METADATA_HOSTS:
            raise InvalidUrl(f"the host in '{shown}' is a cloud's metadata service") from None
        return host.lower()
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    if (mapped or address).is_link_local or (mapped or address).is_unspecified or address.is_multicast:
        # 169.254.169.254 hands out the machine's cloud credentials.
        raise InvalidUrl(f"the host in '{shown}' is a link-local, multicast or unspecified address")
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id:
        raise InvalidUrl(f"the host in '{shown}' has a zone", hint="leave the part from '%' on out")
    return str(address)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _decoded(part: str, shown: str) -> str:
    decoded = unquote(part)
    if not decoded.isprintable() and decoded:
        # A newline would end a line of Git's credential protocol (CVE-2020-5260).
        raise InvalidUrl(f"{shown!a} hides control characters behind percent signs", hint=_FORMS)
    return decoded


def _without_query(shown: str) -> str:
    return re.split(r"[?#]", shown, maxsplit=1)[0]
