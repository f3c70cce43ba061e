"""Import and export of profiles: CSV, JSON Lines and TOML, read in pieces of any size and written row by row."""
