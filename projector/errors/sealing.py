"""Errors of the sealed log: keys, checkpoints and proofs."""

from __future__ import annotations

from projector.errors.base import ProjectorError


class CheckpointOptions(ProjectorError):
    """Checkpoints need a key, a file and a follower."""

    exit_code = 2
    hint = "Give --checkpoint-key FILE and --checkpoint-out FILE, and not --no-follower."


class BadKeyName(ProjectorError):
    """Invalid key name {name!r}: {reason}."""

    exit_code = 2
    hint = "Give a name such as shop.example/projector, with no white space and no plus."


class KeyExists(ProjectorError):
    """The file {path} exists already."""

    exit_code = 2
    hint = "A key is never overwritten: give another file, or move this one away."


class KeyUnreadable(ProjectorError):
    """{path} has no signing key: {reason}"""

    exit_code = 2
    hint = "`projector log key NAME --out FILE` creates one."


class KeyExposed(ProjectorError):
    """The key in {path} can be read by other users: its mode is {mode:04o}."""

    exit_code = 2
    hint = "If only trusted users had access: chmod 600. Otherwise create another key."


class BadVerifierKey(ProjectorError):
    """Invalid verifier key {text!r}: {reason}."""

    exit_code = 2
    hint = "Give the line that `projector log key` printed: NAME+ID+KEY."


class NoteUnreadable(ProjectorError):
    """{what} is not a signed checkpoint: {reason}."""

    exit_code = 2
    hint = "Give a checkpoint as `projector log checkpoint` wrote it, unchanged."


class NoteUnsigned(ProjectorError):
    """{what} is not signed by a given key: {reason}."""

    exit_code = 2
    hint = "Check that the file is unchanged, and that the verifier key is that of its log."


class CheckpointInconsistent(ProjectorError):
    """The log does not extend the checkpoint in {what}: {reason}"""

    exit_code = 1
    hint = (
        "Either the log was changed or restored, or the checkpoint is another log's. Keep the "
        "checkpoint; `projector log verify --against` shows more."
    )


class SealUnsound(ProjectorError):
    """The log cannot be sealed: {reason}"""

    exit_code = 1
    hint = "Run `projector log verify`, which lists every fault."


class PositionNotSealed(ProjectorError):
    """Position {position} is not among the first {size}, which the checkpoint seals."""

    exit_code = 3
    hint = "Give a position from 1 to the checkpoint's size, or make a new checkpoint."


class SizeNotSealed(ProjectorError):
    """A tree of size {old} is not an older one of the checkpoint's size {size}."""

    exit_code = 3
    hint = "Give the size of an older checkpoint."


class ProofUnreadable(ProjectorError):
    """{what} is not a proof: {reason}."""

    exit_code = 2
    hint = "Give a proof as `projector log prove` wrote it, unchanged."


class ProofWrong(ProjectorError):
    """The proof in {what} is wrong: {reason}"""

    exit_code = 1
    hint = "The event is not in the log of this checkpoint, or a file was changed."
