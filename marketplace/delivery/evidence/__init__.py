"""The devices' signed envelopes, as a table and as a file."""
