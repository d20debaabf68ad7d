"""The command line options shared by all commands that serve the dashboard; imports nothing slow."""

import argparse
from pathlib import Path
from typing import Any


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the address, a proxy in front of the dashboard, the password and host names."""
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
        help="path under which browsers see the dashboard, such as /pixels/, behind a proxy that passes "
        "paths on unchanged (default: %(default)s)",
    )
    parser.add_argument(
        "--proxy-strips",
        action="store_true",
        help="the proxy removes the base path before it passes a request on; the dashboard then answers at / "
        "and links to --base-path (default: it passes paths on unchanged)",
    )
    parser.add_argument(
        "--password-file",
        type=Path,
        metavar="FILE",
        help="a file whose first line is the password that the dashboard asks for; required when "
        "--host is not an address of this machine alone (default: $XPIXELS_PASSWORD, else none)",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        type=_host_name,
        default=[],
        metavar="NAME",
        help="also answer to this host name, such as pixels.example.org, or .example.org for it and every "
        "name below; repeat for several (default: any IP address, localhost, the name in --host, and, where "
        "others reach the dashboard, this machine's name)",
    )


def _host_name(text: str) -> str:
    from dashapp.http.host_names import allowed_name

    try:
        return allowed_name(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def serve_keywords(options: argparse.Namespace) -> dict[str, Any]:
    """Convert these options to keyword arguments of `dashapp.server.serve`.

    Raises:
        OSError, ValueError: the password cannot be read, or is not valid.
    """
    from dashapp.http.password import read_password

    return {
        "host": options.host,
        "port": options.port,
        "base_path": options.base_path,
        "proxy_strips": options.proxy_strips,
        "password": read_password(options.password_file),
        "allow_hosts": options.allow_host,
    }


def as_arguments(options: argparse.Namespace) -> list[str]:
    """Convert the options back to arguments, for another command."""
    arguments = ["--host", options.host, "--port", str(options.port), "--base-path", options.base_path]
    if options.password_file is not None:
        arguments += ["--password-file", str(options.password_file)]
    for name in options.allow_host:
        arguments += ["--allow-host", name]
    return [*arguments, "--proxy-strips"] if options.proxy_strips else arguments
