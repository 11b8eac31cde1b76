"""What is true with no network, disk or GPU, for every vendor. Imports nothing of the house."""
