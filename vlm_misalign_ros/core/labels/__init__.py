"""The class table, and the encodings in which label maps come."""
