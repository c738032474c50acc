"""The formats of a transparency log, which other programs can verify. All PURE.

- `record`: an event as the bytes that are committed to, and the commitment.
- `tree`: the Merkle tree of RFC 6962 with its proofs; `growing_tree`: the same, leaf by leaf.
- `verification`: whether a proof is right.
- `keys` and `note`: Ed25519 keys and signed notes (C2SP signed-note).
- `checkpoint`: a signed head of the log (C2SP tlog-checkpoint).
- `proofs`: proofs as text (C2SP tlog-proof and tlog-witness).
"""
