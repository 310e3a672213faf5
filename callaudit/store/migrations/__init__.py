"""Alembic migrations of the store, one file per released schema."""
