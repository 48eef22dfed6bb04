"""The boards, each a module: what it asks, and how that is shown."""
