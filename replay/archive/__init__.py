"""Archives of the log: ranges of positions as Parquet files, with a chain of manifests.

In the order in which data meets them: `manifest` says what an archive contains; `shelf` stores its
files by name, in a `folder` or an `object_store`; `encryption` encrypts rows, with `keys`; `tally`
counts and hashes rows, `rows` converts them to Parquet and back; `write` writes a `range_file` for
each range, `read` opens, `compare` and `check` compare with the manifests and the log, `restore`
fills a log, with the `erasures` that the archive tells of. An archive is a copy: nothing leaves the
log. `rows` and the modules that import it need the extra `archive`.
"""
