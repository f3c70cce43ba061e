"""HTTP's rules beyond the library's parser, without I/O: routes, retries, circuits, signatures, schedules."""
