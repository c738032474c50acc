"""The methods for the sealed log: checkpoints, proofs and their verification."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from projector.store.database import Database

if TYPE_CHECKING:
    from projector.sealing.prove import EventProof, ExtensionProof
    from projector.sealing.verify import SealReport
    from projector.tlog.checkpoint import SignedCheckpoint
    from projector.tlog.proofs import ConsistencyProof, InclusionProof


class SealedLog:
    """The tasks of a Projector that make tampering with its log evident."""

    @property
    def database(self) -> Database:
        """The database."""
        raise NotImplementedError

    def _migrated(self) -> Database:
        """Return the database, which has the schema; its log may be unsound."""
        raise NotImplementedError

    def checkpoint(
        self,
        key_file: str,
        out: str | None = None,
        *,
        on_batch: Callable[[int, int], bool] = lambda _sealed, _head: True,
    ) -> SignedCheckpoint:
        """Seal new events, and sign the head of the log with the key in a file.

        With `out`, the signed note replaces that file. `on_batch` receives the position that is
        sealed and the head, and returns whether to seal more. Raises CheckpointInconsistent if the
        file has a checkpoint that this log does not extend, SealUnsound, and errors of the files.
        """
        from projector.sealing.checkpoints import make_checkpoint
        from projector.sealing.key_files import read_key

        return make_checkpoint(self.database, read_key(key_file), out, on_batch=on_batch)

    def prove_event(
        self, position: int, *, checkpoint_file: str
    ) -> tuple[InclusionProof, EventProof]:
        """Prove that an event is in the log of a checkpoint; returns the proof without and with it.

        Raises PositionNotSealed, CheckpointInconsistent, NoteUnreadable or FileUnreadable.
        """
        from projector.sealing.prove import prove_event

        return prove_event(self.database, position, checkpoint_file)

    def prove_extension(
        self, old: int, *, checkpoint_file: str
    ) -> tuple[ConsistencyProof, ExtensionProof]:
        """Prove that the log of a checkpoint extends that of its first `old` events.

        Raises SizeNotSealed, CheckpointInconsistent, NoteUnreadable or FileUnreadable.
        """
        from projector.sealing.prove import prove_extension

        return prove_extension(self.database, old, checkpoint_file)

    def verify_log(
        self,
        *,
        against: Sequence[str] = (),
        verifier_keys: Sequence[str] = (),
        on_piece: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> SealReport:
        """Compare every event with what was sealed of it, and the log with checkpoints in files.

        `verifier_keys` are those of the checkpoints' logs. `on_piece` receives the position that is
        done, and the last one. Raises BadVerifierKey, NoteUnreadable, NoteUnsigned or
        FileUnreadable.
        """
        from projector.sealing.verify import verify_log
        from projector.tlog.keys import VerifierKey

        keys = [VerifierKey.parse(text) for text in verifier_keys]
        return verify_log(self._migrated(), against=against, keys=keys, on_piece=on_piece)
