"""The options of everything that serves the dashboard, in one place; imports nothing that takes time."""

import argparse
from pathlib import Path


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add where to listen, and how a proxy in front of the dashboard passes requests on."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port",
        type=int,
        default=8050,
        help="port to listen on, 0 for any free one (default: %(default)s)",
    )
    parser.add_argument(
        "--base-path",
        default="/",
        metavar="PATH",
        help="path that browsers see the dashboard under, as /pixels/, behind a proxy that passes paths on "
        "as they are (default: %(default)s)",
    )
    parser.add_argument(
        "--proxy-strips",
        action="store_true",
        help="the proxy takes the base path off before it passes a request on; the dashboard then answers "
        "at / and links to --base-path (default: it passes paths on as they are)",
    )
    parser.add_argument(
        "--password-file",
        type=Path,
        metavar="FILE",
        help="a file whose first line is the password that the dashboard asks for; another --host than this "
        "machine's own wants one (default: $XPIXELS_PASSWORD, else none)",
    )


def serve_keywords(options: argparse.Namespace) -> dict[str, str | int | bool | None]:
    """What these options mean to `dashapp.__main__.serve`.

    Raises:
        OSError, ValueError: the password cannot be read, or is none.
    """
    from dashapp.doors import read_password

    return {
        "host": options.host,
        "port": options.port,
        "base_path": options.base_path,
        "proxy_strips": options.proxy_strips,
        "password": read_password(options.password_file),
    }


def as_arguments(options: argparse.Namespace) -> list[str]:
    """The same options as arguments of another command."""
    given = ["--host", options.host, "--port", str(options.port), "--base-path", options.base_path]
    if options.password_file is not None:
        given += ["--password-file", str(options.password_file)]
    return [*given, "--proxy-strips"] if options.proxy_strips else given
