"""The ways by the library eventsourcing: append, tail and replay."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from eventsourcing.persistence import InfrastructureFactory, Tracking
from eventsourcing.projection import ProjectionRunner
from eventsourcing.utils import Environment

from tests.benchmarks.peers import by_hand, state
from tests.benchmarks.peers.library import (
    BareRecorder,
    CurrentState,
    Loyalty,
    PostgresView,
    SqliteView,
    environment,
)
from tests.benchmarks.peers.places import Place
from tests.benchmarks.peers.race import Work
from tests.benchmarks.peers.state import State

#: How many events are read in one go; the runner takes 500.
_PAGE = 1_000
#: Its own `wait` looks every 0.8 seconds, which would be measured.
_LOOK_SECONDS = 0.01
_COUNT = "SELECT count(*) FROM {} WHERE topic LIKE '%Delivered'"


@contextmanager
def append(
    place: Place, batches: Sequence[Sequence[bytes]], *, bare: bool = False
) -> Iterator[Work]:
    """Store deliveries by the application, or by the recorder that it is made upon."""
    with place.new() as url:
        with Loyalty(environment(url)) as application:
            receive = BareRecorder(application).receive if bare else application.receive

            def work() -> None:
                for batch in batches:
                    receive(batch)

            yield work
            table = application.recorder.events_table_name
        ((found,),) = state.asking(url)(_COUNT.format(table))
        if found != sum(map(len, batches)):
            raise AssertionError(f"The library has stored {found} deliveries.")


@contextmanager
def stored(place: Place, bodies: Sequence[bytes]) -> Iterator[str]:
    """Give the URL of a database in which deliveries are."""
    with place.new() as url:
        with Loyalty(environment(url)) as application:
            for start in range(0, len(bodies), _PAGE):
                application.receive(bodies[start : start + _PAGE])
        yield url


@contextmanager
def tail(place: Place, template: str, expected: State) -> Iterator[Work]:
    """Fold what is stored, event by event, each with how far the view is."""
    with place.new(template) as url:
        with ExitStack() as stack:
            if url.startswith("sqlite"):
                yield partial(_pull, url)
            else:
                yield partial(_run, url, _last(url), stack)
        state.theirs(state.asking(url)).must_be(expected, "The library's view")


@contextmanager
def replay(place: Place, template: str, expected: State) -> Iterator[Work]:
    """Read all events by pages, fold them in memory, and write the view in the end."""
    with place.new(template) as url:
        with Loyalty(environment(url)) as application:
            yield lambda: by_hand.write_folded(url, _bodies(application))
        state.theirs(state.asking(url)).must_be(expected, "The library's replay")


def _run(url: str, last: int, stack: ExitStack) -> None:
    """As its documentation shows; the runner works in a thread of its own, until it is closed."""
    runner = stack.enter_context(
        ProjectionRunner(
            application_class=Loyalty,
            projection_class=CurrentState,
            view_class=PostgresView,
            env=environment(url),
        )
    )
    while not runner.view.has_tracking_id(runner.app_name, last):
        # Raises what has stopped it, if anything has.
        runner.run_forever(_LOOK_SECONDS)


def _last(url: str) -> int:
    """The number of the last event."""
    with Loyalty(environment(url)) as application:
        last: int = max(each.id for each in _notifications(application))
        return last


def _pull(url: str) -> None:
    """What the runner does, without it: SQLite has no subscriptions there."""
    with Loyalty(environment(url)) as application:
        env = Environment(CurrentState.name, environment(url))
        view = InfrastructureFactory.construct(env).tracking_recorder(SqliteView)
        projection = CurrentState(view=view)
        for notification in _notifications(application):
            event = application.mapper.to_domain_event(notification)
            projection.process_event(event, Tracking(application.name, notification.id))


def _bodies(application: Loyalty) -> Iterator[str]:
    for notification in _notifications(application):
        yield application.mapper.to_domain_event(notification).body


def _notifications(application: Loyalty) -> Iterator[Any]:
    """The deliveries, in the order in which they were stored."""
    last = 0
    while page := application.recorder.select_notifications(
        last, _PAGE, topics=CurrentState.topics, inclusive_of_start=False
    ):
        yield from page
        last = page[-1].id
