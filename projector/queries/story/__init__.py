"""A customer's story: `events` (their effects), `results`, `timeline`, `periods`, `cases`."""
