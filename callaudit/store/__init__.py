"""The store: what was heard and judged, kept in SQLite or PostgreSQL."""
