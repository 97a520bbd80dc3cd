"""What is bought and what is viewed together: counted by product, forgotten with time, handed on as short lists.

Everything that is counted is a basket: a checkout with its products, and for views each pair of a view and one of the views
before it. The lift of two products is that of association rules (Brin, Motwani, Ullman, Tsur 1997, "Dynamic itemset counting and
implication rules for market basket data"): n_ab N / (n_a n_b), where n counts baskets. What is in every basket has a lift of 1
with everything, and so is no partner of anything.
"""
