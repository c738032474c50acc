"""A customer's story: `events` (what each says and did), `results`, `timeline`, `periods`, `cases`."""
