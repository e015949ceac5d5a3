"""Speakers: they read a line, and RVC converts it."""
