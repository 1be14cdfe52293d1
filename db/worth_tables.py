"""The tables of what campaigns are worth: salts, purchases, and what is credited to whom."""
