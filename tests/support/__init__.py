"""Pieces that several test modules share."""
