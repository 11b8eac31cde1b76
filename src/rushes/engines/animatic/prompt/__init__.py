"""What the words ask for, what was understood and what was not."""
