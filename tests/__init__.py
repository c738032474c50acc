"""Tests mirror the packages; `postgres` starts a real server, `conftest` hands out databases."""
