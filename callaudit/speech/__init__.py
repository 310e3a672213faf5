"""Channels become utterances with roles: models, voice activity, recognition, confirmation."""
