"""The Raspberry Pi: listen, summarise, keep on disk, send up."""
