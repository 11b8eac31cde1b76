"""Pure codecs, one for each wire format: bytes to calls and replies to bytes, and the other way round."""
