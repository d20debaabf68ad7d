"""Alembic migrations: they upgrade a database of any older revision to today's. Run by db.migrate."""
