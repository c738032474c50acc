"""Folds an archive on Spark, on machines that reach no database.

`engine` says what to read and takes the results; `install` checks this machine, `start` starts
Spark, `session` runs jobs on it, and `probe` checks the executors; `failures` translates errors. On
the executors, `tasks` runs `archive_fold`, which reads `file_parts`, and `results` carries what it
makes to the driver.
"""
