"""Writes down what SQLite asks of the disk, in this process, while the program runs as it is.

SQLite reaches files through a "VFS", a table of functions. Here a copy of the usual one becomes the
default: it does the same, and notes what is written, synced, made and deleted. The functions are
those of the very library that Python's sqlite3 uses, reached by ctypes.
https://www.sqlite.org/vfs.html
"""

from __future__ import annotations

import _sqlite3
import ctypes
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, Structure, byref, c_char_p, c_int, c_int64, c_void_p
from functools import cache
from pathlib import Path
from threading import RLock
from typing import Any

from tests.faults.disk import Create, Delete, Operation, Sync, SyncFolder, Truncate, Write

_OK = 0
_NAME = b"recording"
_OPEN_FOLDER = b"openDirectory"

_Open = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
_Delete = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int)
_Write = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_Truncate = CFUNCTYPE(c_int, c_void_p, c_int64)
_Sync = CFUNCTYPE(c_int, c_void_p, c_int)
_OpenFolder = CFUNCTYPE(c_int, c_char_p, c_void_p)
_SetSystemCall = CFUNCTYPE(c_int, c_void_p, c_char_p, c_void_p)
_GetSystemCall = CFUNCTYPE(c_void_p, c_void_p, c_char_p)


class _Methods(Structure):
    """sqlite3_io_methods: what can be done with an open file."""

    _fields_ = (
        ("version", c_int),
        ("close", c_void_p),
        ("read", c_void_p),
        ("write", _Write),
        ("truncate", _Truncate),
        ("sync", _Sync),
        # Sizes, locks, shared memory and mapping stay as they are.
        ("others", c_void_p * 13),
    )


class _Vfs(Structure):
    """sqlite3_vfs: what can be done with names."""

    _fields_ = (
        ("version", c_int),
        ("file_bytes", c_int),
        ("path_bytes_max", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", _Open),
        ("delete", _Delete),
        ("others", c_void_p * 11),
        ("set_system_call", _SetSystemCall),
        ("get_system_call", _GetSystemCall),
        ("next_system_call", c_void_p),
    )


class LibraryNotFound(Exception):
    """The SQLite that Python's sqlite3 uses cannot be reached."""


@contextmanager
def recording(folder: Path) -> Iterator[list[Operation]]:
    """What is done to databases in an empty folder, where they are opened meanwhile."""
    recorder = _recorder()
    with recorder.registered():
        try:
            # SQLite follows links.
            yield recorder.begin(folder.resolve())
        finally:
            recorder.begin(None)


@cache
def _recorder() -> _Recorder:
    """The one of this process, for connections may outlive a recording."""
    # Where sqlite3 is not a file of its own, it is a part of the program.
    library = ctypes.CDLL(getattr(_sqlite3, "__file__", None))
    try:
        recorder = _Recorder(library)
        # Were it another library than sqlite3's, it would not be known there.
        with recorder.registered():
            sqlite3.connect(f"file::memory:?vfs={_NAME.decode()}", uri=True).close()
    except (AttributeError, sqlite3.OperationalError) as error:
        raise LibraryNotFound(f"{library} is not what sqlite3 uses: {error}") from error
    return recorder


class _Recorder:
    """The VFS. SQLite keeps pointers into it, so that it must not go away."""

    def __init__(self, library: Any) -> None:
        library.sqlite3_vfs_find.restype = c_void_p
        self._library = library
        self._usual_at = library.sqlite3_vfs_find(None)
        self._usual = _Vfs.from_address(self._usual_at)
        self._own = _Vfs.from_buffer_copy(self._usual)
        self._own.next, self._own.name = None, _NAME
        self._own.open, self._own.delete = _Open(self._open), _Delete(self._delete)
        found = self._usual.get_system_call(self._usual_at, _OPEN_FOLDER)
        self._usual_open_folder = _OpenFolder(found)
        self._own_open_folder = _OpenFolder(self._open_folder)
        # By the address of the usual ones.
        self._methods: dict[int, _Methods] = {}
        # By the address of what SQLite has of an open file: its number, and its usual methods.
        self._files: dict[int, tuple[int, _Methods]] = {}
        # What is noted first is done first.
        self._turn = RLock()
        self._opened_folders: list[Path] = []
        self.begin(None)

    def begin(self, folder: Path | None) -> list[Operation]:
        """From now on look at a folder, or at none."""
        with self._turn:
            self._folder = folder
            self._numbers: dict[Path, int] = {}
            self._count = 0
            self._operations: list[Operation] = []
            return self._operations

    @contextmanager
    def registered(self) -> Iterator[None]:
        """The default meanwhile."""
        set_system_call = self._usual.set_system_call
        own_open_folder = ctypes.cast(self._own_open_folder, c_void_p)
        set_system_call(self._usual_at, _OPEN_FOLDER, own_open_folder)
        self._library.sqlite3_vfs_register(byref(self._own), 1)
        try:
            yield
        finally:
            self._library.sqlite3_vfs_register(c_void_p(self._usual_at), 1)
            self._library.sqlite3_vfs_unregister(byref(self._own))
            set_system_call(self._usual_at, _OPEN_FOLDER, None)

    def _open(self, vfs: int, name_at: int, file: int, flags: int, out: int) -> int:
        # Files that are temporary have no name.
        path = _path(ctypes.string_at(name_at)) if name_at else None
        with self._turn:
            found: int = self._usual.open(vfs, name_at, file, flags, out)
            if found == _OK and path is not None and path.parent == self._folder:
                if path not in self._numbers:
                    self._count += 1
                    self._numbers[path] = self._count
                    self._operations.append(Create(path.name, self._count))
                self._watch(file, self._numbers[path])
        return found

    def _watch(self, file: int, number: int) -> None:
        """Put other methods in the place of those that an open file begins with."""
        place = c_void_p.from_address(file)
        usual_at = place.value or 0
        usual = _Methods.from_address(usual_at)
        if usual_at not in self._methods:
            own = self._methods[usual_at] = _Methods.from_buffer_copy(usual)
            # Version 3 could write by mapping the file into memory.
            own.version = min(own.version, 2)
            own.write, own.sync = _Write(self._write), _Sync(self._sync)
            own.truncate = _Truncate(self._truncate)
        self._files[file] = number, usual
        place.value = ctypes.addressof(self._methods[usual_at])

    def _write(self, file: int, data_at: int, size: int, offset: int) -> int:
        number, usual = self._files[file]
        with self._turn:
            self._operations.append(Write(number, offset, ctypes.string_at(data_at, size)))
            return int(usual.write(file, data_at, size, offset))

    def _truncate(self, file: int, size: int) -> int:
        number, usual = self._files[file]
        with self._turn:
            self._operations.append(Truncate(number, size))
            return int(usual.truncate(file, size))

    def _sync(self, file: int, flags: int) -> int:
        number, usual = self._files[file]
        with self._turn, self._noting_folder():
            done: int = usual.sync(file, flags)
            if done == _OK:
                self._operations.append(Sync(number))
        return done

    def _delete(self, vfs: int, name_at: int, sync_folder: int) -> int:
        path = _path(ctypes.string_at(name_at))
        with self._turn, self._noting_folder():
            done: int = self._usual.delete(vfs, name_at, sync_folder)
            if done == _OK and self._numbers.pop(path, 0):
                self._operations.append(Delete(path.name))
        return done

    @contextmanager
    def _noting_folder(self) -> Iterator[None]:
        """SQLite opens a folder in order to sync it, after what it does to the file."""
        self._opened_folders.clear()
        yield
        if self._folder in self._opened_folders:
            self._operations.append(SyncFolder())

    def _open_folder(self, path: bytes, out: int) -> int:
        self._opened_folders.append(_path(path).parent)
        return int(self._usual_open_folder(path, out))


def _path(name: bytes) -> Path:
    return Path(os.fsdecode(name))
