"""Looks at a machine before a study is run there: nothing is started, nothing is changed."""
