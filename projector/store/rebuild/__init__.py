"""Tables that a rebuild fills: `staging`, `shadow`, `difference` (from the live ones), `swap`."""
