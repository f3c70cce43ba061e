"""Profile tables: resident rows with their indexes, transactions, references, editing sessions, events (group PRF)."""
