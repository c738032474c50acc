"""A real PgBouncer for tests, the program of the Debian package, before a server for tests."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from sqlalchemy import make_url

from tests.support.postgres import Server, start_program
from tests.support.programs import own_folder

#: Debian installs it where only root looks for programs.
_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"

_CONFIGURATION = """
[databases]
* = host={host} port={port}

[pgbouncer]
listen_addr = 127.0.0.1
unix_socket_dir =
auth_type = trust
auth_file = {users}
admin_users = postgres
"""


@contextlib.contextmanager
def running_pooler(
    server: Server, mode: str, settings: Mapping[str, object] = {}, users: tuple[str, ...] = ()
) -> Iterator[Server]:
    """Run a PgBouncer in front of a server until the block ends, for its admin and the `users`."""
    program = shutil.which("pgbouncer", path=_PATH)
    assert program is not None, "PgBouncer is not installed: run `make programs`"
    with own_folder() as folder:
        names = folder / "users"
        known = {
            str(server.admin.username): server.admin.password or "",
            **dict.fromkeys(users, ""),
        }
        names.write_text("".join(f'"{name}" "{secret}"\n' for name, secret in known.items()))
        fixed = _CONFIGURATION.format(
            host=server.admin.host, port=server.admin.port or 5432, users=names
        )

        def command(port: int) -> list[str | Path]:
            lines = {"pool_mode": mode, "listen_port": port, **settings}
            file = folder / f"{port}.ini"
            file.write_text(fixed + "".join(f"{key} = {lines[key]}\n" for key in lines))
            return [program, file]

        pooler = start_program(folder, command)
        try:
            yield pooler
        finally:
            pooler.stop()


def through(pooler: Server, url: str) -> str:
    """Return the URL of a database of the server through the pooler."""
    there = make_url(url).set(host=pooler.admin.host, port=pooler.admin.port)
    return there.render_as_string(hide_password=False)
