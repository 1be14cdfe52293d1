"""The tables of what is learnt: of one shopper, and from all of them together."""
