"""Handles text: instants, JSON text, JSON encoding, cursors; imported by all packages. PURE."""
