"""Rules files: reading a folder, every fault at once, differences between versions. Knows nothing of Redis."""

from fsapp.rules.check import Checked, check, check_document, load_folder
from fsapp.rules.differences import Change, diff
from fsapp.rules.text import to_toml

__all__ = ["Change", "Checked", "check", "check_document", "diff", "load_folder", "to_toml"]
