"""The `serve` command: receives webhooks and answers queries over HTTP."""

from __future__ import annotations

from projector.app import open_projector
from projector.cli import output
from projector.cli.application import Flag, Url, Whole
from projector.cli.sealer_options import CHECKPOINT_SECONDS, sealer_config
from projector.config import read_console_settings, read_settings, read_webhook_secrets
from projector.errors import BadNumber, ExtraMissing
from projector.text.hosts import is_loopback

HOST_DEFAULT = "127.0.0.1"
PORT_DEFAULT = 8000

#: The lock timeout and the idle-in-transaction timeout, in seconds. The sender of a webhook waits
#: for ten seconds.
LOCK_SECONDS_MAX = 5.0
IDLE_SECONDS_MAX = 10.0


def serve(
    *,
    url: Url,
    host: str = HOST_DEFAULT,
    port: Whole = PORT_DEFAULT,
    no_follower: Flag = False,
    lag_max: Whole = 10_000,
    no_console: Flag = False,
    checkpoint_key: str | None = None,
    checkpoint_out: str | None = None,
    checkpoint_every: Whole = CHECKPOINT_SECONDS,
) -> None:
    """Receive webhooks and answer queries over HTTP, until stopped.

    The webhook secrets are read from PROJECTOR_WEBHOOK_SECRET (one secret, or PROJECT=SECRET
    pairs separated by commas), or from the file that PROJECTOR_WEBHOOK_SECRET_FILE names.

    Parameters
    ----------
    host
        The address to listen on; any but a loopback address needs a token to exist.
    port
        The port to listen on; 0 chooses a free one.
    no_follower
        Do not update the tables here: `projector run` does.
    lag_max
        The maximum lag of the tables, in events, with which /health/ready reports ready.
    no_console
        Do not serve the console, the pages at /console/.
    checkpoint_key
        The file of the key that signs checkpoints of the log, which is sealed behind the appends.
    checkpoint_out
        The file that has the last checkpoint.
    checkpoint_every
        The time between two checkpoints, in seconds.
    """
    try:
        from projector.server.context import ServerConfig
        from projector.server.main import serve as run
    except ImportError as error:
        raise ExtraMissing(extra="server", reason=error) from error

    for name, value, most in (("--port", port, 65_535), ("--lag-max", lag_max, 2**63 - 1)):
        if not 0 <= value <= most:
            raise BadNumber(name=name, value=value, range=f"0 to {most}")
    secrets = read_webhook_secrets()
    config = ServerConfig(
        secrets=secrets,
        is_public=not is_loopback(host),
        runs_follower=not no_follower,
        lag_max=lag_max,
        console=None if no_console else read_console_settings(),
        sealer=sealer_config(
            checkpoint_key, checkpoint_out, checkpoint_every, has_follower=not no_follower
        ),
    )

    def started(address: str) -> None:
        pages = "" if no_console else f" console: {address}/console/;"
        output.line(f"Listening on {address};{pages} API docs: {address}/docs.", stderr=True)
        if not secrets:
            output.line("Webhooks are refused: PROJECTOR_WEBHOOK_SECRET is not set.", stderr=True)

    with open_projector(
        url,
        create=True,
        direct_url=read_settings().direct_database_url,
        lock_seconds_max=LOCK_SECONDS_MAX,
        idle_seconds_max=IDLE_SECONDS_MAX,
    ) as projector:
        run(projector.database, config, host=host, port=port, on_start=started)
