"""By which names a dashboard may be asked, and from which pages it may be written to; imports no web library.

A web site can lead its own name to this machine's address (DNS rebinding), and a browser would then let its
scripts read the dashboard as if it were a part of that site. Such a request has that site's name in it.
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
OWN = "localhost"  # beside every address: an address is nobody's name
SAME = ("same-origin", "none")  # what browsers say of a request by our own page, or by a person


def allowed_name(text: str) -> str:
    """A name as `--allow-host` takes it and as it is compared: lower case, without a final dot.

    Raises:
        ValueError: no name, but an address with scheme, port or path, say.
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
    """Every name that a dashboard answers to: the one it listens on, the allowed ones, the machine's own.

    host: as `--host` gives it. The machine's name is of no use to others where only the machine is served.
    """
    names = [host]
    if not is_loopback(listening):
        names.append(socket.gethostname())
    found = {allowed_name(name) for name in allowed}
    for name in names:
        plain = name.lower().removesuffix(".")
        if NAME.fullmatch(plain) and not _is_address(plain):
            found.add(plain)
    return frozenset(found)


def is_loopback(listening: socket.socket) -> bool:
    """Whether only this machine reaches a socket."""
    return ipaddress.ip_address(listening.getsockname()[0].partition("%")[0]).is_loopback


def asked_name(header: str | None) -> str | None:
    """The name or address in a Host header, without port and final dot; None when it is no such header."""
    match = HEADER.fullmatch((header or "").lower())
    if match is None:
        return None
    name = match[1].strip("[]")
    return name if _is_address(name) or ("[" not in match[1] and NAME.fullmatch(name)) else None


def is_known(name: str, known: Collection[str]) -> bool:
    """Whether a dashboard that is known by these names answers to this one."""
    return name == OWN or _is_address(name) or _is_named(name, known)


def is_foreign(site: str | None, source: str | None, name: str, known: Collection[str]) -> bool:
    """Whether a request that may change something comes from another site's page.

    Args:
        site: the header Sec-Fetch-Site, which no page can set and no proxy changes; not every browser has it.
        source: the header Origin, else Referer; None: no page sent it.
        name: what the request asks for, see `asked_name`.
        known: the dashboard's names. A proxy may ask for another one than the browser did.
    """
    if site is not None:
        return site not in SAME
    if source is None:
        return False
    try:
        found = urlsplit(source).hostname
    except ValueError:
        return True
    from_name = (found or "").removesuffix(".")
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
