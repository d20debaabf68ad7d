"""Check which host names a dashboard accepts, and which pages may write to it; imports no web library.

A web site can resolve its own name to this machine's address (DNS rebinding); a browser would then let its
scripts read the dashboard as if it were a part of that site. Such a request contains that site's name.
"""

import ipaddress
import re
import socket
from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*", re.A
)
HEADER = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+?)\.?(:[0-9]{0,5})?", re.A)
OWN = "localhost"  # always accepted, as IP addresses are: no site can have one as its name
SAME = ("same-origin", "none")  # Sec-Fetch-Site of requests by our own page, or by the user


def allowed_name(text: str) -> str:
    """Normalize a name of `--allow-host` for comparison: lower case, without a final dot.

    Raises:
        ValueError: not a host name, but for example an address with scheme, port or path.
    """
    below, name = ("." if text.startswith(".") else ""), text.removeprefix(".")
    try:
        plain = name.removesuffix(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        plain = ""
    if not NAME.fullmatch(plain) and not _is_address(plain):
        raise ValueError(
            f"'{text}' is no host name; expected one as pixels.example.org, without scheme, port and path, "
            "or .example.org for it and every name below it"
        )
    return below + plain


def known_names(host: str, listening: socket.socket, allowed: Iterable[str] = ()) -> frozenset[str]:
    """All names that a dashboard accepts: the one it listens on, the allowed ones, the machine's own.

    host: the value of `--host`. On a loopback address the machine's name is left out: nobody else can use it.
    """
    names = [host]
    if not is_loopback(listening):
        names.append(socket.gethostname())
    known = {allowed_name(name) for name in allowed}
    for name in names:
        plain = name.lower().removesuffix(".")
        if NAME.fullmatch(plain) and not _is_address(plain):
            known.add(plain)
    return frozenset(known)


def is_loopback(listening: socket.socket) -> bool:
    """Whether only this machine can reach a socket."""
    return ipaddress.ip_address(listening.getsockname()[0].partition("%")[0]).is_loopback


def asked_name(header: str | None) -> str | None:
    """The name or address in a Host header, without port and final dot; None if the header is not valid."""
    match = HEADER.fullmatch((header or "").lower())
    if match is None:
        return None
    name = match[1].strip("[]")
    return name if _is_address(name) or ("[" not in match[1] and NAME.fullmatch(name)) else None


def is_known(name: str, known: Collection[str]) -> bool:
    """Whether a dashboard with these known names accepts this one."""
    return name == OWN or _is_address(name) or _is_named(name, known)


def is_foreign(site: str | None, source: str | None, name: str, known: Collection[str]) -> bool:
    """Whether a request that may change something comes from another site's page.

    Args:
        site: the header Sec-Fetch-Site, which no page can set and no proxy changes; some browsers lack it.
        source: the header Origin, else Referer; None: no page sent it.
        name: the host name of the request, see `asked_name`.
        known: the dashboard's names. A proxy may use another one than the browser did.
    """
    if site is not None:
        return site not in SAME
    if source is None:
        return False
    try:
        source_host = urlsplit(source).hostname
    except ValueError:
        return True
    from_name = (source_host or "").removesuffix(".")
    return from_name != name and not _is_named(from_name, known)


def _is_named(name: str, known: Collection[str]) -> bool:
    parents = name.split(".")
    return name in known or any("." + ".".join(parents[at:]) in known for at in range(len(parents)))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
