"""Files that a study names, recorded traces and data sets: checked when it is planned, read when it is measured."""
