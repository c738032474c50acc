"""A disk that keeps only what was synced: what it may hold after a power cut.

Until a file is synced, each of its sectors may be on the disk as it was at any moment since the
last sync: writes get there in any order, by half, or not at all, and one that was under way may
leave rubbish. The same goes for the names in a folder until the folder is synced. SQLite's own
tests of crashes have this model. Bytes that nobody wrote do not change; SQLite relies on that, too
(it calls it "powersafe overwrite").
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from attrs import define, field, frozen

SECTOR_BYTES = 512

#: The files of a folder.
Image = dict[str, bytes]


@frozen
class Write:
    """Bytes were written to a file."""

    file: int
    offset: int
    data: bytes

    def by_sector(self) -> Iterator[tuple[int, bytes]]:
        """Pieces that each lie within a sector, and where they begin."""
        begin, end = self.offset, self.offset + len(self.data)
        while begin < end:
            next_begin = min(end, (begin // SECTOR_BYTES + 1) * SECTOR_BYTES)
            yield begin, self.data[begin - self.offset : next_begin - self.offset]
            begin = next_begin


@frozen
class Truncate:
    """A file was made shorter or longer."""

    file: int
    size: int


@frozen
class Sync:
    """All of a file is on the disk now."""

    file: int


@frozen
class Create:
    """A file came into the folder."""

    name: str
    file: int


@frozen
class Delete:
    """A name went out of the folder."""

    name: str


@frozen
class SyncFolder:
    """All names of the folder are on the disk now."""


Operation = Write | Truncate | Sync | Create | Delete | SyncFolder


@define
class _File:
    #: What was there at the last sync.
    synced: bytearray = field(factory=bytearray)
    since: list[Write | Truncate] = field(factory=list)

    def sync(self) -> None:
        self.synced = self.written()
        self.since = []

    def written(self) -> bytearray:
        """As whoever reads it now sees it."""
        content = self.synced.copy()
        for each in self.since:
            if isinstance(each, Write):
                _put(content, each.offset, each.data)
            else:
                _resize(content, each.size)
        return content

    def torn(self, chance: Random) -> bytearray:
        """One of the many contents that may be found after a power cut."""
        count = chance.choice([len(self.since), chance.randint(0, len(self.since))])
        left_behind, spoilt = chance.choice([(0.0, 0.0), (0.01, 0.0), (0.3, 0.0), (0.1, 0.1)])
        content = self.synced.copy()
        reached: dict[int, int] = {}

        def is_there(number: int, sector: int) -> bool:
            if sector not in reached:
                is_late = chance.random() < left_behind
                reached[sector] = chance.randint(0, count) if is_late else count
            return number < reached[sector]

        for number, each in enumerate(self.since[:count]):
            if isinstance(each, Truncate):
                # The size is kept elsewhere, in a sector of its own.
                if is_there(number, -1):
                    _resize(content, each.size)
                continue
            for begin, piece in each.by_sector():
                if is_there(number, begin // SECTOR_BYTES):
                    is_spoilt = chance.random() < spoilt
                    _put(content, begin, chance.randbytes(len(piece)) if is_spoilt else piece)
        return content


@define
class Disk:
    """A folder on the disk, operation by operation."""

    _files: dict[int, _File] = field(factory=dict)
    _synced: dict[str, int] = field(factory=dict)
    #: What came (its file) or went (None) since the folder was synced, in this order.
    _since: list[tuple[str, int | None]] = field(factory=list)

    def do(self, operation: Operation) -> None:
        """Let an operation happen."""
        match operation:
            case Write(file) | Truncate(file):
                self._files[file].since.append(operation)
            case Sync(file):
                self._files[file].sync()
            case Create(name, file):
                self._files[file] = _File()
                self._since.append((name, file))
            case Delete(name):
                self._since.append((name, None))
            case SyncFolder():
                self._synced = self._names(self._since)
                self._since = []

    def least(self) -> Image:
        """After a power cut when nothing but what was synced was on the disk."""
        return {name: bytes(self._files[file].synced) for name, file in self._synced.items()}

    def most(self) -> Image:
        """After a power cut when all was on the disk; as after the end of the process."""
        names = self._names(self._since)
        return {name: bytes(self._files[file].written()) for name, file in names.items()}

    def torn(self, chance: Random) -> Image:
        """After a power cut when by chance some was on the disk, each name and file by itself."""
        count = len(self._since)
        reached = {name: chance.randint(0, count) for name, _ in self._since}
        names = self._names(
            [each for number, each in enumerate(self._since) if number < reached[each[0]]]
        )
        return {name: bytes(self._files[file].torn(chance)) for name, file in names.items()}

    def _names(self, since: list[tuple[str, int | None]]) -> dict[str, int]:
        names: dict[str, int | None] = {**self._synced, **dict(since)}
        return {name: file for name, file in names.items() if file is not None}


def _put(content: bytearray, offset: int, data: bytes) -> None:
    _resize(content, max(len(content), offset))
    content[offset : offset + len(data)] = data


def _resize(content: bytearray, size: int) -> None:
    del content[size:]
    content.extend(bytes(size - len(content)))
