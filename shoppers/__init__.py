"""Who they are and what they allow. Pure."""
