"""Creates and reads the file of a log's signing key, which the database must not have."""

from __future__ import annotations

import os
import stat

from projector.errors import KeyExists, KeyExposed, KeyUnreadable, OutputUnwritable
from projector.tlog.keys import SigningKey, VerifierKey

_BYTES_MAX = 10_000


def create_key(name: str, path: str) -> VerifierKey:
    """Create a key in a new file that only its owner can read; return the verifier key.

    Raises BadKeyName, KeyExists, OutputUnwritable or ExtraMissing.
    """
    key = SigningKey.create(name, os.urandom(32))
    verifier, text = key.verifier, key.as_text() + "\n"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise KeyExists(path=path) from None
    except OSError as error:
        raise OutputUnwritable(reason=f"{path}: {error.strerror or error}") from error
    return verifier


def read_key(path: str) -> SigningKey:
    """Read a key; raises KeyUnreadable, KeyExposed or ExtraMissing.

    A file of this user must be accessible to this user only. One of another user, as systemd passes
    credentials, may be readable by a group.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - the mode is that of the opened file
            found = os.fstat(file.fileno())
            text = file.read(_BYTES_MAX).decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8."
        raise KeyUnreadable(path=path, reason=reason) from None
    mode = stat.S_IMODE(found.st_mode)
    if mode & (0o077 if found.st_uid == os.geteuid() else 0o037):
        raise KeyExposed(path=path, mode=mode)
    try:
        return SigningKey.parse(text.removesuffix("\n"))
    except ValueError as error:
        raise KeyUnreadable(path=path, reason=f"{error}.") from None
