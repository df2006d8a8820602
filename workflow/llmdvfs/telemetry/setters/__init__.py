"""Who sets clocks and limits for this process: the driver itself, or somebody with more rights who was told to."""
