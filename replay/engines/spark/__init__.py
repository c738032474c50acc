"""Folds an archive on Spark, on machines that reach no database.

`engine` says what to read and takes the results; `install`, `session` and `probe` start Spark and
check it; `failures` translates its errors. On the executors, `tasks` runs `archive_fold`.
"""
