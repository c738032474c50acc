"""Tests of the server: real processes, asked over real sockets."""
