"""The door for things that have no body of their own yet: drawn art lifted to relief. Nothing lives here today."""
