"""What programs read about a listing: the same facts in the vocabularies that catalogues, search engines, model
builders and dataspaces understand. `facts` collects, the other files write, and are pure.
"""
