"""When and where it happens: thin workers, and the commands a user types."""
