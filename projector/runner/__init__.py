"""The log into the tables.

`batch` (events to changed rows), `runner` (batch by batch, rows and checkpoint in one transaction),
`follower` (again and again, as events come in).
"""
