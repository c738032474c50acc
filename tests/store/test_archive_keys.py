"""The keys of archives: one follows for each position, until it is destroyed, and never again."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projector.store.database import Database
from projector.store.erasure import archive_keys, key_tree
from projector.store.erasure.key_tree import POSITION_MAX, Node
from tests.support.databases import wipe

_ROOT = key_tree.root(bytes(range(32)))


def _all(nodes: list[Node], first: int, last: int) -> dict[int, bytes | None]:
    return dict(zip(range(first, last + 1), key_tree.keys(nodes, first, last), strict=True))


def test_each_position_has_a_key_of_its_own_that_does_not_depend_on_the_range() -> None:
    found = _all([_ROOT], 1, 5000)
    assert len({*found.values()}) == 5000
    assert None not in found.values()
    for first, last in ((1, 1), (7, 4097), (2048, 2049), (5000, 5000)):
        assert _all([_ROOT], first, last) == {each: found[each] for each in range(first, last + 1)}
    [at_the_end] = key_tree.keys([_ROOT], POSITION_MAX, POSITION_MAX)
    assert at_the_end not in found.values()
    # It is the format of archives that exist.
    assert (
        found[1] or b""
    ).hex() == "d20bb4202000c76226791d21c7fb0828d420aaf1c7a51935673ee469fe75e490"


@settings(max_examples=60)
@given(rounds=st.lists(st.sets(st.integers(0, 70), min_size=1, max_size=9), max_size=4))
def test_what_is_destroyed_is_gone_and_all_else_as_it_was(rounds: list[set[int]]) -> None:
    before, nodes, gone = _all([_ROOT], 0, 70), [_ROOT], set[int]()
    for positions in rounds:
        nodes = [
            each
            for node in nodes
            for each in key_tree.without(
                node, sorted(p for p in positions if node.first <= p <= node.last)
            )
        ]
        gone |= positions
        expected = {each: None if each in gone else key for each, key in before.items()}
        assert _all(nodes, 0, 70) == expected
        assert key_tree.covered(nodes, range(71)) == [each for each in before if each not in gone]
    # No node covers a destroyed one, and none is a key from which one follows.
    for node in nodes:
        assert not any(node.first <= each <= node.last for each in gone)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rounds=st.lists(st.sets(st.integers(0, 2000), max_size=40), min_size=1, max_size=4))
def test_keys_in_the_database_are_destroyed_and_read_by_ranges(
    wiped_database: Database, rounds: list[set[int]]
) -> None:
    database = wiped_database
    wipe(database)
    with database.writing() as connection:
        archive_keys.destroy(connection, [1, 2])
    archive_keys.create(database)
    with database.reading() as connection:
        [root] = archive_keys.read_all(connection)
    archive_keys.create(database)
    gone: set[int] = set()
    for positions in rounds:
        with database.writing() as connection:
            archive_keys.destroy(connection, positions)
        gone |= positions
        with database.reading() as connection:
            whole = list(archive_keys.read_all(connection))
            for first, last in ((0, 2000), (5, 5), (1000, 1400)):
                nodes = archive_keys.read(connection, first, last)
                assert nodes == [
                    each for each in whole if each.last >= first and each.first <= last
                ]
                expected = _all([root], first, last)
                assert _all(nodes, first, last) == {
                    each: None if each in gone else key for each, key in expected.items()
                }
