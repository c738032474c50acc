"""A customer's story: `events` (what each says and did), `periods`, `timeline`, `window`."""
