"""What authors of SBBs, events and services use: declarations and value types."""
