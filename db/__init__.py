"""SQL tables and queries; Redis keys and scripts."""
