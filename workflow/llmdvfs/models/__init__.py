"""Models without a download: a tiny one generated here, and shapes of known ones."""
