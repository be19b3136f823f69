"""The proxy's own HTTP: requests in, responses out, tokens, limits, draining, the metrics page."""
