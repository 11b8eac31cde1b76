"""What makes the picture. Each engine is found by its entry point in the group `rushes.engines`."""
