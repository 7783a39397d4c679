"""A bought table as one file, in five forms: made once, sent in ranges, resumed."""
