"""Recordings: from files to samples, and what can be heard in them besides speech."""
