"""The `heliotrope` command and the embedded local stack."""
