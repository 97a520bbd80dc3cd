"""A laboratory of synthetic shops whose best slates are known: how much of the way from chance to the best does a method get?"""
