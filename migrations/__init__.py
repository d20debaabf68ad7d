"""Alembic: how a database of any older revision becomes one of today's. Run by db.migrate."""
