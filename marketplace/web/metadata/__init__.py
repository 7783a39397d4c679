"""What programs read about a listing: the same facts in the vocabularies of catalogues, search engines, model builders
and dataspaces. `collecting` fills `facts`; the other files write them in one vocabulary each.
"""
