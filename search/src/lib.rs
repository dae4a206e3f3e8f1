//! Trains search spaces on the host. Empty so far: the searchers are not written yet.
