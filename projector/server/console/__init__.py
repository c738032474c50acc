"""Serves the console: pages that answer who is in what, since when and why, and what is wrong.

The modules, in the order in which a request meets them:

- `routes` is the table of pages; `gate` decides who sends the request, and refuses forged ones
  (CSRF); `cookies`, `form_tokens` and `sign_in` are its parts.
- `page` has what a page gets (`Visit`) and returns (`Page`); `pages` has a module for each.
- `zones` (PURE) has days and times in one time zone, `links` (PURE) the addresses of pages.
- `words` (PURE) has the sentences, `charts` (PURE) the drawings.
- `glance` reads what every page shows: whether the tables are up to date, and what waits.
- `rendering` fills the templates; `assets` serves the files in `static`.
"""
