"""What OAuth's own clients ask: tokens for a client, revocation, introspection, and where all of that is."""
