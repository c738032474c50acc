"""The options of `serve` and `run` for making checkpoints of the log behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from projector.errors import BadNumber, CheckpointOptions

if TYPE_CHECKING:
    from projector.sealing.sealer import SealerConfig

#: The time between two checkpoints, in seconds, unless another one is given.
CHECKPOINT_SECONDS = 60

_SECONDS_MAX = 86_400


def sealer_config(
    key: str | None, out: str | None, every: int, *, has_follower: bool = True
) -> SealerConfig | None:
    """Return what the options ask for; None without any of them.

    Raises CheckpointOptions, BadNumber, or the errors of `read_key`.
    """
    if key is None and out is None and every == CHECKPOINT_SECONDS:
        return None
    if key is None or out is None or not has_follower:
        raise CheckpointOptions
    if not 1 <= every <= _SECONDS_MAX:
        raise BadNumber(name="--checkpoint-every", value=every, range=f"1 to {_SECONDS_MAX}")
    from projector.sealing.key_files import read_key
    from projector.sealing.sealer import SealerConfig

    return SealerConfig(key=read_key(key), out=out, every_seconds=every)
