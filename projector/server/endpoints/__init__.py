"""Declares the query endpoints: path, parameters, answers and errors of each.

To add an endpoint, append an `Endpoint` to the QUERIES of its module: its route, the checks of its
token and of `min_position`, and its part of the OpenAPI document follow from that. It also needs an
example in `examples.ANSWERS` and a line in docs/http.md; a new first path segment needs an OpenAPI
tag in `paths` and, before an `{id}`, entries in `paths` and in `examples.IDS`. Endpoints that start
jobs are in `actions`; those that take deliveries in `routes`.
"""

from __future__ import annotations

from projector.server.endpoints import customers, groups, operations
from projector.server.queries import Endpoint

QUERIES: tuple[Endpoint, ...] = (*customers.QUERIES, *groups.QUERIES, *operations.QUERIES)
