"""Who reads a line before RVC gives it a voice."""
