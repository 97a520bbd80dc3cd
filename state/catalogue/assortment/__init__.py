"""The shop's whole assortment in keyed state: a directory of products, and each category with what of it can be shown.

directory.py: which category a product belongs to, one shard of ids each; message.py: what it tells a category;
category.py: a category's means and its lists, out of tally.py and shortlist.py; records.py: what session operators hear of it.
"""
