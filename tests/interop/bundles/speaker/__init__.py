"""The bundle `speaker`."""
