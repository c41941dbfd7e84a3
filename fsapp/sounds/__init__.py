"""Prompts: the catalogue of what is said, the sounds made of it, and whether they are right. Plays nothing."""
