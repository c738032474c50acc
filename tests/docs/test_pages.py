"""README.md and the pages of docs/ show what really happens: every block of code on them is run."""

import re
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.pages import (
    LANGUAGES,
    PAGES,
    RESULT,
    Block,
    Page,
    Run,
    blocks,
    normalize,
    recorded,
    run,
    run_on_postgres,
)
from tests.support.reader import ROOT

_FENCE = re.compile(r"^ *(?:```|~~~)(.*)$", re.M)

each_page = pytest.mark.parametrize("page", PAGES, ids=[page.path for page in PAGES])
each_page_on_postgres = pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.on_postgres],
    ids=[page.path for page in PAGES if page.on_postgres],
)


@each_page
def test_every_block_gives_what_the_page_shows(
    page: Page, tmp_path: Path, postgres_url: str
) -> None:
    with closing(run(page, tmp_path, postgres_url=postgres_url)) as runs:
        for done in runs:
            _assert_is_as_shown(page, done)


@each_page_on_postgres
def test_every_block_gives_the_same_on_postgres(
    page: Page, tmp_path: Path, postgres_url: str
) -> None:
    with closing(run_on_postgres(page, tmp_path, postgres_url)) as runs:
        for done in runs:
            _assert_is_as_shown(page, done)


def _assert_is_as_shown(page: Page, done: Run) -> None:
    where = f"{page.path}, line {done.block.line}"
    assert normalize(done.printed) == normalize(done.block.shown), where


@each_page
def test_every_fenced_block_of_a_page_is_run_or_is_the_result_of_one(page: Page) -> None:
    text = page.read()
    found = blocks(text)
    fences = _FENCE.findall(text)
    opened = fences[::2]
    assert set(opened) <= LANGUAGES | {RESULT}
    assert set(fences[1::2]) <= {""}
    assert len(found) + sum(block.result is not None for block in found) == len(opened)
    assert found


def test_all_languages_are_on_some_page() -> None:
    assert {block.language for page in PAGES for block in blocks(page.read())} == LANGUAGES


def test_every_page_with_a_fenced_block_is_run() -> None:
    paths = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    with_blocks = {str(path.relative_to(ROOT)) for path in paths if _FENCE.search(path.read_text())}
    assert with_blocks == {page.path for page in PAGES}


_PAGE = """# A page

```console
$ projector status
old
```

```sql
SELECT 1
```

```text
old
```
"""


def _run(block: Block, printed: str) -> Run:
    return Run(block=block, printed=printed)


def test_what_is_recorded_takes_the_place_of_what_was_shown() -> None:
    console, sql = blocks(_PAGE)
    runs = [_run(console, "$ projector status\nnew\n"), _run(sql, "1\nnew\n")]

    text = recorded(_PAGE, runs)

    assert text == _PAGE.replace("old\n```\n\n```sql", "new\n```\n\n```sql").replace(
        "```text\nold\n", "```text\n1\nnew\n"
    )
    assert [block.shown for block in blocks(text)] == [each.printed for each in runs]


def test_what_differs_in_time_only_is_left_as_it_was() -> None:
    shown = "$ projector rebuild\n24 events in 0.1 s, 216 a second. Writers had to wait for 1 ms.\n"
    text = f"```console\n{shown}```\n"
    [block] = blocks(text)

    assert recorded(text, [_run(block, shown.replace("216", "1,216"))]) == text
    assert recorded(text, [_run(block, shown.replace("24", "25"))]) != text
