"""Models and policies of the river library (Montiel et al. 2021, "River: machine learning for streaming data in Python")."""
