"""The HTTP resource adaptor: requests served, requests made, event streams and web-hooks."""
