"""Every input that is kept passes its target: those that broke something once, and all others."""

from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

_CORPUS = Path(__file__).with_name("corpus")


def _inputs(name: str) -> list[Path]:
    return sorted((_CORPUS / name).iterdir())


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_of_the_corpus_breaks_its_target(name: str) -> None:
    broken = {}
    with TARGETS[name]() as target:
        for path in _inputs(name):
            try:
                target(path.read_bytes())
            except Exception as error:
                broken[path.name] = error
    for first in broken.values():
        # With its traceback.
        raise AssertionError(f"{name} is broken by {', '.join(broken)}") from first


def test_every_target_has_a_corpus_of_small_files_and_there_is_no_other() -> None:
    assert {path.name for path in _CORPUS.iterdir()} == {*TARGETS}
    sizes = [[path.stat().st_size for path in _inputs(name)] for name in TARGETS]
    assert all(1 <= len(each) <= 400 and max(each) <= 4096 for each in sizes)
    assert sum(map(sum, sizes)) < 1_000_000
