"""HTTP's values: what is said on the wire, without I/O."""
