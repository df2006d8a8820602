"""The run itself: which request goes out when, over which connection, and where its bytes are kept."""
