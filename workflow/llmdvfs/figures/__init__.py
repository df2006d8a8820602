"""Makes figures of records: nothing is read from disk here, and no statistic is computed."""
