"""Batches: a folder of recordings audited into the store, call by call, resumable."""
