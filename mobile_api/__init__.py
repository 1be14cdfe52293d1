"""HTTP for handsets, gateways and tills."""
