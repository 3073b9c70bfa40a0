"""The operations of `/v1`, a module for each family, and the search page."""
