"""Manifests: a chain without a hole, in pages, which a reader refuses if it does not add up."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from attrs import evolve

from projector.errors import ArchiveBroken, ArchiveSchemaUnknown
from replay.archive import manifest
from replay.archive.manifest import File, Manifest

_SHA256 = "ab" * 32


def _file(first: int, last: int) -> File:
    return File(
        first=first,
        last=last,
        name=manifest.file_name(first, last, _SHA256),
        bytes=10,
        sha256=_SHA256,
        digest="0" * 32,
        last_digest="1" * 32,
        types={"a": last - first + 1},
        without_customer=0,
        late=0,
        body_bytes=5,
        stream_id_max=1,
        occurred=("", ""),
        received=("", ""),
    )


def _chain(*files: File) -> list[Manifest]:
    pages = [manifest.begin(files[0], log="log", made_by="test")]
    for file in files[1:]:
        last = pages[-1]
        link = manifest.link_to(last.name, manifest.encode(last))
        pages.append(manifest.follow(last, link, file, made_by="test"))
    return pages


def test_a_manifest_is_named_by_the_position_after_which_it_goes_on() -> None:
    names = [each.name for each in _chain(_file(1, 10), _file(11, 15), _file(16, 20))]
    assert names == [
        "manifests/0000000000000000000.json",
        "manifests/0000000000000000010.json",
        "manifests/0000000000000000015.json",
    ]


def test_a_full_page_is_followed_by_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "PAGE_FILES_MAX", 2)
    chain = _chain(*(_file(number, number) for number in range(1, 6)))
    assert [[file.first for file in each.files] for each in chain] == [
        [1],
        [1, 2],
        [3],
        [3, 4],
        [5],
    ]
    pages = [each.page and each.page.name for each in chain]
    assert pages == [None, None, chain[1].name, chain[1].name, chain[3].name]
    for each in chain:
        assert manifest.decode(each.name, manifest.encode(each), url="") == each


def test_keys_stand_in_the_order_of_the_page_that_describes_them() -> None:
    [first] = _chain(_file(1, 10))
    encoded = manifest.encode(first)
    assert list(msgspec.json.decode(encoded)) == [
        "format", "schema", "log", "first", "last", "files", "parent", "page", "made_by",
    ]  # fmt: skip
    assert encoded.startswith(b'{\n "format": "customer-state-projector/archive",\n "schema": 1,')
    assert encoded.endswith(b"\n}\n")


_CONTRADICTIONS: dict[str, tuple[Callable[[Manifest], Manifest], str]] = {
    "no files": (lambda it: evolve(it, files=()), "lists no files"),
    "begins elsewhere": (lambda it: evolve(it, first=2), "positions are not those"),
    "ends elsewhere": (lambda it: evolve(it, last=21), "positions are not those"),
    "a hole": (lambda it: evolve(it, files=(it.files[0], _file(12, 20))), "go on at 12"),
    "no parent": (lambda it: evolve(it, parent=None), "which manifest it follows"),
    "a page before the first": (lambda it: evolve(it, page=it.parent), "which page it follows"),
    "another position": (
        lambda it: evolve(it, files=it.files[:1], last=10, parent=None),
        "name should be",
    ),
    "a path": (lambda it: _with_file(it, name="../../etc/passwd"), "has a name"),
    "no hash": (lambda it: _with_file(it, sha256="../x"), "has no SHA-256"),
    "types": (lambda it: _with_file(it, types={"a": 9}), "do not add up"),
    "position 0": (lambda it: _with_file(it, first=0), "has no positions"),
}


@pytest.mark.parametrize(
    ("change", "reason"), list(_CONTRADICTIONS.values()), ids=list(_CONTRADICTIONS)
)
def test_a_manifest_that_contradicts_itself_is_refused(
    change: Callable[[Manifest], Manifest], reason: str
) -> None:
    [_, second] = _chain(_file(1, 10), _file(11, 20))
    with pytest.raises(ArchiveBroken, match=reason):
        manifest.decode(second.name, manifest.encode(change(second)), url="")


def _with_file(it: Manifest, **changes: Any) -> Manifest:
    return evolve(it, files=(evolve(it.files[0], **changes), *it.files[1:]))


def test_what_is_no_manifest_is_refused() -> None:
    other = b'{"format": "other", "schema": 1}'
    for content in (b"", b"[]", b"{", b"\xff", b"[" * 10_000, other, b"{}"):
        with pytest.raises(ArchiveBroken):
            manifest.decode("manifests/0.json", content, url="")


def test_a_truncated_manifest_is_refused_at_every_length() -> None:
    [first] = _chain(_file(1, 10))
    encoded = manifest.encode(first)
    for length in range(len(encoded) - 2):
        with pytest.raises(ArchiveBroken):
            manifest.decode(first.name, encoded[:length], url="")


def test_another_schema_is_refused_before_its_keys_are_read() -> None:
    content = msgspec.json.encode({"format": manifest.FORMAT, "schema": 3, "files": "elsewhere"})
    with pytest.raises(ArchiveSchemaUnknown, match="schema 3"):
        manifest.decode("manifests/0.json", content, url="")


def test_keys_that_a_later_version_adds_are_ignored() -> None:
    [first] = _chain(_file(1, 10))
    content = msgspec.json.encode({**msgspec.json.decode(manifest.encode(first)), "later": 1})
    assert manifest.decode(first.name, content, url="") == first
