"""A cluster that all tests of the folder share."""

from collections.abc import Iterator

import pytest

from tests.support.spark import Cluster, running_cluster


@pytest.fixture(scope="session")
def shared_cluster() -> Iterator[Cluster]:
    """A cluster of two workers."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def cluster(shared_cluster: Cluster) -> Iterator[Cluster]:
    """The shared cluster; a test ends only when nothing of its drivers and executors is left."""
    yield shared_cluster
    shared_cluster.until_idle()
