"""Serves the console: pages that answer who is in what, since when and why, and what is wrong.

The modules, in the order in which a request meets them:

- `routes` is the table of pages; `gate` decides who sends the request, and refuses forged ones
  (CSRF); `cookies` and `form_tokens` are its parts.
- `page` has what a page gets (`Visit`) and returns (`Page`); each page is a module of its own.
- `zones` (PURE) has days and times in one time zone; `words` (PURE) the sentences; `charts` (PURE)
  the drawings.
- `glance` reads what every page shows: whether the tables are up to date, and what waits.
- `rendering` fills the templates; `assets` serves the files in `static`.
"""
