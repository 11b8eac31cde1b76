"""What the place sounds like, made of shaped noise."""
