"""Which clocks: answers with intervals, from the results of a study's operating points."""
