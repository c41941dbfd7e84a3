"""Composition root: one file a process, which builds what that process needs. Decides nothing itself."""
