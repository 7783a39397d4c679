"""What all doors share: a token in, a refusal out, links, and bytes that end when access does."""
