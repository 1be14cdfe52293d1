"""The tables of how often a shopper may be spoken to."""
