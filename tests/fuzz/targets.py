"""Every door at which foreign bytes come in, as a function of bytes that raises where it breaks.

A target is a context, for some need a folder or a database.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path

from tests.fuzz import commands, deliveries, servers, stores, streams, texts

#: Takes any bytes; raises AssertionError, or whatever else, where something is wrong.
Target = Callable[[bytes], None]

Opener = Callable[[], AbstractContextManager[Target]]


def _plain(target: Target) -> Opener:
    return lambda: nullcontext(target)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="projector-fuzz-") as folder:
        yield Path(folder)


@contextmanager
def _stored() -> Iterator[Target]:
    with _folder() as folder, stores.both(folder) as databases:
        yield partial(stores.stored, databases)


@contextmanager
def _served(target: Callable[[servers.Wire, bytes], None]) -> Iterator[Target]:
    with _folder() as folder, servers.running(folder) as wire:
        yield partial(target, wire)


@contextmanager
def _commands() -> Iterator[Target]:
    with _folder() as folder, commands.on_a_database(folder) as target:
        yield target


#: By name, which is that of the folder of its corpus, too.
TARGETS: dict[str, Opener] = {
    "documents": _plain(streams.documents),
    "containers": _plain(streams.containers),
    "packed": _plain(streams.packed),
    "layout": _plain(texts.laid_out),
    "read": _plain(deliveries.read),
    "opened": _plain(deliveries.opened),
    "metadata": _plain(deliveries.metadata),
    "times": _plain(texts.times),
    "cursors": _plain(texts.cursors),
    "secrets": _plain(texts.secrets),
    "bearers": _plain(texts.bearers),
    "paths": _plain(texts.paths),
    "queries": _plain(texts.queries),
    "urls": _plain(texts.urls),
    "commands": _commands,
    "requests": partial(_served, servers.requests),
    "wires": partial(_served, servers.wires),
    "stored": _stored,
}
