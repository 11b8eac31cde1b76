"""From words to a composed scene."""
