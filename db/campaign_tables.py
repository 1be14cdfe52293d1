"""The tables of campaigns: their versions and who reviewed them."""
