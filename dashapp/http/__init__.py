"""Requests and responses: access control, refusals, and what every response has: headers, compression."""
