"""Files that a study names, recorded traces and data sets: looked at when it is planned, read when it is measured."""
