"""The bundle `pages`."""
