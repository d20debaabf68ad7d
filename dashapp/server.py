"""Serve the dashboard with a production WSGI server."""

import errno
import os
import socket
from collections.abc import Callable, Sequence

import waitress

import db.engine
import db.migrate
from dashapp.app import create_app
from dashapp.http.host_names import known_names
from dashapp.http.password import LARGEST_REQUEST, require_password


def serve(
    database_url: str | os.PathLike[str],
    host: str = "127.0.0.1",
    port: int = 8050,
    base_path: str = "/",
    proxy_strips: bool = False,
    password: str | None = None,
    allow_hosts: Sequence[str] = (),
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve the dashboard of a database with a production WSGI server until interrupted.

    Args:
        database_url: URL or path. Pages read through a read-only connection; annotations and saved views
            are written through a second one.
        host: address to listen on.
        port: 1..65535, or 0 for any free one.
        base_path: path that browsers see the pages under, '/' or '/name/'.
        proxy_strips: a proxy removes the base path before it forwards a request.
        password: required from every client; mandatory if other machines can reach the address.
        allow_hosts: names to accept besides IP addresses, localhost, `host` and, if other machines can reach
            the address, this machine's name; '.example.org' for it and all below it.
        ready: called with the address once the server listens; without it the address is printed.

    Raises:
        FileNotFoundError: no such database.
        ValueError: the port is in use or not permitted, the host is unknown, the base path is not valid, the
            database is not of this revision, or other machines can reach the address without a password.
    """
    if not 0 <= port <= 65535:
        raise ValueError(f"Port {port} does not exist; expected 1 to 65535, or 0 for any free one.")
    engine = db.engine.create(database_url, read_only=True)
    db.migrate.require_current(engine)
    writer = db.engine.create(database_url, existing=True)
    with listen(host, port) as listening:
        require_password(listening, host, password)
        app = create_app(
            engine,
            writer=writer,
            base_path=base_path,
            proxy_strips=proxy_strips,
            password=password,
            hosts=known_names(host, listening, allow_hosts),
        )
        # The socket already listens: connections made now are served as soon as the server runs.
        server = waitress.create_server(
            app.server,
            sockets=[listening],
            threads=8,
            ident=None,
            max_request_body_size=LARGEST_REQUEST,
        )
        name = f"[{host}]" if ":" in host else host
        prefix = app.config.routes_pathname_prefix.rstrip("/")
        try:
            (ready or _announce)(f"http://{name}:{listening.getsockname()[1]}{prefix}")
            server.run()
        finally:
            server.close()
            engine.dispose()
            writer.dispose()


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket. Raises ValueError if the host is unknown or the port is not available."""
    try:
        family, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(place[:2], family=family)
    except socket.gaierror:
        message = f"Host '{host}' is not known; expected a name or address of this machine with --host."
    except OSError as error:
        message = f"Cannot listen on {host}, port {port}: {error.strerror}; choose another --host or --port."
        if error.errno == errno.EADDRINUSE:
            message = (
                f"Port {port} on {host} is in use; choose another with --port, such as --port {port + 1}."
            )
        elif error.errno == errno.EACCES:
            message = f"Port {port} may not be used by this user; choose one above 1023 with --port."
    raise ValueError(message)


def _announce(address: str) -> None:
    print(address, flush=True)
