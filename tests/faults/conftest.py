"""What the cases share, and the count of the faults that were tried."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.faults import nursery
from tests.faults.matrix import CASES
from tests.faults.prepared import Prepared, prepare
from tests.support.postgres import running_server


@pytest.fixture(scope="session")
def prepared() -> Iterator[Prepared]:
    """A server that may be restarted, and databases to be copied, for each worker."""
    with (
        nursery.running() as born,
        running_server(own=True) as server,
        TemporaryDirectory(prefix="projector-prepared-", dir="/tmp") as folder,
    ):
        yield prepare(server, born, Path(folder))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A whole run in which not every fault struck is a failed one."""
    config = session.config
    if hasattr(config, "workerinput") or not _is_whole(config):
        return
    if sum(_tried(config).values()) < len(CASES) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """How many faults struck, of which kind."""
    tried = _tried(config)
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(tried.items()))
    terminalreporter.section("faults")
    terminalreporter.line(f"{tried.total()} faults tried, by kind: {kinds}")
    terminalreporter.line(f"{sum(_told(config, 'power cuts'))} power cuts tried.")
    if _is_whole(config) and tried.total() < len(CASES):
        terminalreporter.line(f"The matrix has {len(CASES)}: not all of it was tried.", red=True)


def _tried(config: pytest.Config) -> Counter[str]:
    """The faults that struck."""
    return Counter(_told(config, "fault"))


def _told(config: pytest.Config, what: str) -> list[Any]:
    """What the tests have told under a name."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    assert reporter is not None
    return [
        value
        for reports in reporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in report.user_properties
        if name == what
    ]


def _is_whole(config: pytest.Config) -> bool:
    """Whether all of the matrix was asked for."""
    option = config.option
    is_part = option.keyword or option.markexpr or option.collectonly
    # Without pytest's cache there is no such option.
    is_part = is_part or getattr(option, "lf", False)
    return not (is_part or any(".py" in each for each in config.args))
