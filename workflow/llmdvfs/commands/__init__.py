"""The commands of `python -m llmdvfs`: each reads arguments, calls the library and writes files."""
