"""The `log` command: the seal of the log, which makes tampering with it evident."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from projector.app import open_projector
from projector.cli import output, progress
from projector.cli.application import Json, Url, Whole
from projector.errors import FileUnreadable, NotOne, ProofUnreadable
from projector.sealing.prove import EventProof, ExtensionProof
from projector.sealing.verify import SealReport
from projector.tlog.proofs import ConsistencyProof, InclusionProof

log = App(name="log", help="Sign the head of the log, prove what is in it, and verify it.")

#: The largest proof that is read, in bytes. Its JSON has the event, in which a character may take
#: several bytes.
PROOF_BYTES_MAX = 16_000_000

#: The maximum number of faults that are printed for people.
FAULTS_SHOWN_MAX = 50

Files = Annotated[tuple[str, ...], Parameter(negative="", show_default=False)]
Keys = Annotated[tuple[str, ...], Parameter(name="--vkey", negative="", show_default=False)]


@log.command
def key(name: Annotated[str, Parameter(name="NAME")], /, *, out: str, json: Json = False) -> None:
    """Create a key that signs checkpoints, and print its public half, the verifier key.

    Parameters
    ----------
    name
        The name of the log, such as shop.example/projector.
    out
        The file to create. Keep it out of reach of users who can write to the database.
    json
        Print one JSON document.
    """
    from projector.sealing.key_files import create_key

    verifier = create_key(name, out)
    if json:
        output.document({"name": verifier.name, "vkey": str(verifier)})
        return
    # Alone on stdout, so that a script can put it into a variable or a file.
    output.line(str(verifier))
    output.line(f"Created the key in {out}. Publish the line above.", stderr=True)


@log.command
def checkpoint(
    *,
    url: Url,
    key: Annotated[str, Parameter(name="--key")],
    out: str | None = None,
    json: Json = False,
) -> None:
    """Seal the events that are not sealed yet, and print the signed head of the log.

    Parameters
    ----------
    key
        The file with the key, as `projector log key` created it.
    out
        The file that has the last checkpoint; it is replaced if this log extends that one.
    json
        Print one JSON document.
    """
    with (
        open_projector(url) as projector,
        progress.count_bar("sealing", "events") as advance,
    ):

        def on_batch(sealed: int, head: int) -> bool:
            advance(sealed, head)
            return True

        made = projector.checkpoint(key, out, on_batch=on_batch)
    if json:
        output.document(made)
    else:
        output.write(made.note)


@log.command
def prove(
    position: Annotated[Whole | None, Parameter(name="POSITION")] = None,
    /,
    *,
    url: Url,
    checkpoint: str,
    from_: Annotated[Whole | None, Parameter(name="--from")] = None,
    json: Json = False,
) -> None:
    """Prove that an event is in the log of a checkpoint, or that this log extends an older one.

    Parameters
    ----------
    position
        The position of the event. Prints a .tlog-proof; --json has the event as well.
    checkpoint
        The file with the checkpoint.
    from_
        The size of the older checkpoint.
    json
        Print one JSON document.
    """
    if (position is None) == (from_ is None):
        raise NotOne(options="POSITION and --from")
    proof: InclusionProof | ConsistencyProof
    document: EventProof | ExtensionProof
    with open_projector(url) as projector:
        if position is not None:
            proof, document = projector.prove_event(position, checkpoint_file=checkpoint)
        else:
            proof, document = projector.prove_extension(from_ or 0, checkpoint_file=checkpoint)
    if json:
        output.document(document)
    else:
        output.write(proof.as_text())


@log.command
def verify(*, url: Url, against: Files = (), vkey: Keys = (), json: Json = False) -> int:
    """Compare every event with what was sealed of it; exit with 1 if anything differs.

    Parameters
    ----------
    against
        A file with a checkpoint that the log must extend. Repeat it for several ones.
    vkey
        The verifier key of the checkpoints' log, as `projector log key` printed it.
    json
        Print one JSON document.
    """
    with (
        open_projector(url) as projector,
        progress.count_bar("verifying", "events") as advance,
    ):
        found = projector.verify_log(against=against, verifier_keys=vkey, on_piece=advance)
    if json:
        output.document(found)
    else:
        _print_report(found)
    return int(not found.is_right)


@log.command
def check(
    proof: Annotated[str, Parameter(name="PROOF")],
    /,
    *,
    vkey: Keys,
    commitment: str | None = None,
    old: str | None = None,
    json: Json = False,
) -> None:
    """Check a proof without a database; exit with 1 if it is wrong.

    Parameters
    ----------
    proof
        The file with the proof, as `projector log prove` printed it, with or without --json.
    vkey
        The verifier key of its log.
    commitment
        The commitment to the event, in hex, for a .tlog-proof, which does not have it.
    old
        The file with the older checkpoint, for a proof that the log extends it.
    json
        Print one JSON document.
    """
    from projector.sealing.check import check_proof
    from projector.sealing.checkpoints import read_note
    from projector.tlog.keys import VerifierKey

    keys = [VerifierKey.parse(text) for text in vkey]
    older = None if old is None else read_note(old)
    found = check_proof(_read(proof), keys, commitment=commitment, old=older, what=proof)
    if json:
        output.document(found)
    elif found.old is None:
        output.line(
            f"Event {found.position} is in {found.origin}, sealed with {found.size} events."
        )
        if found.erased is not None:
            output.line(
                f"It was erased by erasure {found.erased}, as the proof says: only its place in "
                "the log is proved."
            )
    else:
        output.line(f"{found.origin} of {found.size} events extends that of {found.old}.")


def _read(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            read = file.read(PROOF_BYTES_MAX + 1)
    except OSError as error:
        raise FileUnreadable(path=path, reason=error.strerror) from error
    if len(read) > PROOF_BYTES_MAX:
        raise ProofUnreadable(what=path, reason=f"it has more than {PROOF_BYTES_MAX:,} bytes")
    return read


def _print_report(found: SealReport) -> None:
    for fault in found.faults[:FAULTS_SHOWN_MAX]:
        output.line(fault)
    if len(found.faults) > FAULTS_SHOWN_MAX:
        output.line(f"And {len(found.faults) - FAULTS_SHOWN_MAX} more; --json has them.")
    if found.checkpoints:
        output.table(
            "Checkpoints",
            ("file", "log", "size", "right"),
            [(each.file, each.origin, each.size, each.ok) for each in found.checkpoints],
        )
    output.line(
        f"Compared {found.checked} events with their seal. Faults: {len(found.faults)}. "
        f"Events that are not sealed yet: {found.unsealed}."
    )
    if found.erased:
        output.line(f"Of these events {found.erased} are erased, as events of the log tell.")
    output.line(f"The root of the first {found.size} events: {found.root}")
