"""Who may call the service: tokens, and the access that they give."""
