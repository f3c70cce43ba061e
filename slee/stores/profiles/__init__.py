"""Profile tables in SQL, by SQLAlchemy Core: SQLite embedded, PostgreSQL by URL (PRF-46)."""
