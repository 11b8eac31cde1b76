"""From light to pictures: bloom, tone, looks, grain, and what falls in front of the lens."""
