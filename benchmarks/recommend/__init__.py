"""Is what is shown what comes next? Hit rate and place of the next product, in a planted shop and in real shops' files."""
