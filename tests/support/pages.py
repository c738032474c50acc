"""Runs the blocks of code of README.md and docs/*.md as a reader would, and records what they show.

`python -m tests.support.pages --update [PAGE ...]` (`make pages`) rewrites the output that pages
show, in place; without `--update` it only lists the blocks that show something else.

- ```console: commands after `$ `, each followed by all that it prints.
- ```sh: commands alone; their output does not matter, but they must succeed.
- ```python, ```sql: run too; the ```text block right behind one shows the result.

The blocks of a page run one after the other in a copy of the checkout of its own. A variable that a
command exports is there for the next one; a server that was started with `&` serves until
`kill %1`, which must end it well. SQL goes to the database that `PROJECTOR_DATABASE_URL` names, or
to `projector.db`. Three things differ from a reader's machine: a page that installs packages finds
an environment in `.venv`, without the tools for developing; the tests' Postgres takes the place of
the reader's; and the server has another port, because two pages may run at once.
"""

import argparse
import re
import socket
import sys
import tempfile
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from tests.support.postgres import running_server
from tests.support.reader import ROOT, URL_VARIABLE, Reader, copy_checkout, install

#: The languages that are run, and the one of their results.
LANGUAGES = frozenset({"sh", "console", "python", "sql"})
RESULT = "text"

# In the pages, and replaced when they are run.
_POSTGRES = "postgresql://user@localhost/projector"
_ADDRESS = "localhost:8000"
_SERVE = "projector serve"

#: Commands that change the environment that they run in.
_INSTALLS = re.compile(r"^(?:make|pip|python3? -m (?:pip|venv))\b", re.M)

_AGE = re.compile(r"\d+ d later")
#: Depends on the speed of the machine.
_SPEED = re.compile(r"in [\d.]+ s, [\d,]+ a second\.( Writers had to wait for \d+ ms\.)?")
#: Depends on the version of the library that packs an archive.
_PACKED = re.compile(r"(?<=files of )\d+ bytes")
_ROOM = re.compile("[ ━─]+")

_FENCED = re.compile(r"^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.M | re.S)


@frozen(kw_only=True)
class Page:
    """A page whose blocks are run."""

    #: From the root of the checkout.
    path: str
    #: Whether it is run on Postgres as well, with the same output.
    on_postgres: bool = False

    def read(self) -> str:
        """Read its text."""
        return (ROOT / self.path).read_text()


PAGES = (
    Page(path="README.md"),
    Page(path="docs/command-line.md", on_postgres=True),
    Page(path="docs/http.md"),
    Page(path="docs/sql.md", on_postgres=True),
    Page(path="docs/python.md"),
    Page(path="docs/operations.md"),
    Page(path="docs/reconcile.md"),
    Page(path="docs/archive.md"),
    Page(path="docs/sealed-log.md"),
    Page(path="docs/privacy.md"),
    Page(path="docs/extending.md"),
)


@frozen(kw_only=True)
class Block:
    """A block of code, and the result that the page shows for it."""

    language: str
    code: str
    #: The text block right behind it, if there is one.
    result: str | None
    line: int
    #: Where in the page the code and the result stand.
    code_span: tuple[int, int]
    result_span: tuple[int, int] | None

    @property
    def shown(self) -> str:
        """What the page says that it prints."""
        return self.code if self.language == "console" else self.result or ""


def blocks(text: str) -> list[Block]:
    """Return the blocks of a page that are run."""
    fenced = list(_FENCED.finditer(text))
    found = []
    for match, following in zip(fenced, [*fenced[1:], None], strict=True):
        if match["language"] == RESULT:
            continue
        result = following if following is not None and following["language"] == RESULT else None
        found.append(
            Block(
                language=match["language"],
                code=match["code"],
                result=result["code"] if result else None,
                line=text.count("\n", 0, match.start()) + 1,
                code_span=match.span("code"),
                result_span=result.span("code") if result else None,
            )
        )
    return found


@frozen(kw_only=True)
class Run:
    """A block that was run."""

    block: Block
    #: What it printed, in the form in which a page shows it.
    printed: str

    @property
    def is_as_shown(self) -> bool:
        """Whether the page shows what was printed, but for what differs from run to run."""
        return normalize(self.printed) == normalize(self.block.shown)


def run(page: Page, folder: Path, *, postgres_url: str | None = None) -> Generator[Run, None, None]:
    """Run the blocks of a page in a copy of the checkout, which is made in `folder`.

    Close the generator if you do not exhaust it: a server may be running.
    """
    text = page.read()
    installs = any(_INSTALLS.search(_commands(block)) for block in blocks(text))
    checkout = copy_checkout(folder / "checkout")
    if installs:
        # Otherwise it would install into the environment of the tests.
        assert ". .venv/bin/activate\n" in text, f"{page.path} installs and activates nothing"
        install(checkout)
    port = _free_port()
    with Reader(checkout) as reader:
        for block in blocks(text):
            code = _with_port(block.code, port)
            if _POSTGRES in code:
                assert postgres_url is not None
                code = code.replace(_POSTGRES, postgres_url)
            printed = reader.follow(block.language, code)
            if block.language == "console":
                printed = _as_written(printed, code, block.code)
            yield Run(block=block, printed=printed)


def run_on_postgres(page: Page, folder: Path, postgres_url: str) -> Generator[Run, None, None]:
    """Run the blocks of a page on an empty Postgres, in the place of SQLite."""
    checkout = copy_checkout(folder / "checkout")
    with Reader(checkout, **{URL_VARIABLE: postgres_url}) as reader:
        reader.run("projector migrate")
        for block in blocks(page.read()):
            yield Run(block=block, printed=reader.follow(block.language, block.code))


def recorded(text: str, runs: Iterable[Run]) -> str:
    """Return the text of a page with the output of its blocks, where that is not as shown."""
    for each in sorted(runs, key=lambda one: one.block.code_span, reverse=True):
        block = each.block
        span = block.code_span if block.language == "console" else block.result_span
        if each.is_as_shown or span is None:
            continue
        text = f"{text[: span[0]]}{each.printed}{text[span[1] :]}"
    return text


def normalize(text: str) -> str:
    """Return text without what differs from run to run: the sample's age, the speed, packed sizes.

    Ages change the widths of columns, too.
    """
    text = _PACKED.sub("some bytes", _SPEED.sub("soon", text))
    if _AGE.search(text) is None:
        return text
    return _ROOM.sub(" ", _AGE.sub("some days later", text))


def _commands(block: Block) -> str:
    """Return the commands of a block that a shell runs."""
    if block.language not in ("sh", "console"):
        return ""
    return "\n".join(line.removeprefix("$ ") for line in block.code.splitlines())


def _as_written(printed: str, run_code: str, code: str) -> str:
    """Put the commands of a console block back as the page has them, with its port and its URL."""
    for ran, written in zip(run_code.splitlines(), code.splitlines(), strict=True):
        if ran != written and ran.startswith("$ "):
            printed = printed.replace(f"{ran}\n", f"{written}\n")
    return printed


def _with_port(code: str, port: int) -> str:
    code = code.replace(_ADDRESS, f"localhost:{port}")
    return code.replace(_SERVE, f"{_SERVE} --port {port}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _postgres_url(pages: Sequence[Page]) -> Iterator[str | None]:
    """Create a Postgres database for the pages that need one."""
    if not any(_POSTGRES in page.read() for page in pages):
        yield None
        return
    with running_server() as server:
        yield server.create_database()


def main() -> int:
    """Run pages; return 1 if one shows something else and is not to be updated."""
    parser = argparse.ArgumentParser(prog="make pages ARGS=…", description="Run the pages' code.")
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="such as docs/sql.md")
    parser.add_argument("--update", action="store_true", help="rewrite the output that pages show")
    asked = parser.parse_args()
    known = {page.path: page for page in PAGES}
    unknown = {*asked.pages}.difference(known)
    if unknown:
        parser.error(f"{min(unknown)} is not run; these are: {', '.join(known)}")
    chosen = [known[path] for path in asked.pages or known]
    code = 0
    with _postgres_url(chosen) as postgres_url, tempfile.TemporaryDirectory() as folder:
        for number, page in enumerate(chosen):
            place = Path(folder) / str(number)
            place.mkdir()
            try:
                runs = list(run(page, place, postgres_url=postgres_url))
            except AssertionError as error:
                print(f"{page.path}: a command failed: {error}")
                code = 1
                continue
            different = [each for each in runs if not each.is_as_shown]
            for each in different:
                print(f"{page.path}:{each.block.line}: the output is another one:\n{each.printed}")
            if different and asked.update:
                (ROOT / page.path).write_text(recorded(page.read(), runs))
            elif different:
                code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
