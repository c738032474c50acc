"""Asks Voucherify's REST API, within a rate and a budget.

`address` and `credentials` (settings), `limits` (headers to limits), `manners` (an answer to a
verdict), `pages` (a body to a page, and pages to a chain), `objects` (a body to segments,
customers, campaigns, tiers and cards) with their `paths`, `listing` (the list of customers): all
PURE. `pace` spaces and counts the requests of all threads; `client` sends them. Nothing here knows
a database, so that whatever asks the API shares the same manners.
"""
