"""Every relative link of README.md, CHANGELOG.md and docs/ leads to a file and a heading of it."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

_ROOT = Path(__file__).parents[2]
_PAGES = sorted([_ROOT / "README.md", _ROOT / "CHANGELOG.md", *(_ROOT / "docs").rglob("*.md")])

_LINK = re.compile(r"\]\(([^()\s]+)\)")
_CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.M | re.S)
_HEADING = re.compile(r"^#+ +(.+?) *$", re.M)


def _links(path: Path) -> list[str]:
    """Return the targets of a page's links, those to other sites aside."""
    targets = _LINK.findall(_CODE.sub("``", path.read_text()))
    return [unquote(each) for each in targets if not re.match(r"[a-z]+:", each)]


def _anchors(path: Path) -> list[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.M | re.S)
    found: list[str] = []
    for heading in _HEADING.findall(text):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w -]", "", words.lower()).replace(" ", "-")
        same = re.compile(rf"{re.escape(anchor)}(-\d+)?")
        number = sum(same.fullmatch(each) is not None for each in found)
        found.append(f"{anchor}-{number}" if number else anchor)
    return found


@pytest.mark.parametrize("path", _PAGES, ids=[str(each.relative_to(_ROOT)) for each in _PAGES])
def test_every_link_leads_to_a_file_and_a_heading(path: Path) -> None:
    for link in _links(path):
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        if anchor:
            assert anchor in _anchors(target), link


def test_every_page_of_docs_is_linked_from_the_readme() -> None:
    linked = {(_ROOT / link.partition("#")[0]).resolve() for link in _links(_ROOT / "README.md")}
    pages = {path for path in (_ROOT / "docs").rglob("*.md") if path.parent.name != "adr"}
    assert pages <= linked
    assert _ROOT / "docs" / "adr" in linked
