"""Fetches what was missed: reads customers' activity from Voucherify's API into the log.

`options` (what to ask for), `cost` (how many requests, and how long), `customers` (whose activity)
with `id_files`, `reading` (one customer's pages), `filing` (a page into the log, and how far it was
read), `backfill` (all of these, on several threads), and its `report`.
"""
