"""Records in, figures out: nothing is read from disk here and no statistic is computed."""
