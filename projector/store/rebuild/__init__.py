"""The tables of a rebuild: `staging`, `shadow`, `difference` (from the live tables), `swap`."""
